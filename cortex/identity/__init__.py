"""Identity: the only room that reads a buyer in the clear. It normalises, hashes and forgets, in memory."""

from cortex.identity.checking import check
from cortex.identity.normalise import RULES
from cortex.identity.sealing import aliases, digest, identify, is_internal, pseudonym, tombstone

__all__ = ["RULES", "aliases", "check", "digest", "identify", "is_internal", "pseudonym", "tombstone"]
