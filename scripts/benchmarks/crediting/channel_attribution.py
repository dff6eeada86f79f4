"""ChannelAttribution's rules and its Markov model on a table of paths, in its own environment: processor seconds, best of seven rounds."""

import json
import sys
import time
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
import pandas as pd  # noqa: E402
from ChannelAttribution import heuristic_models, markov_model  # noqa: E402

ROUNDS = 7


def peak() -> float:
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


table = pd.read_csv(sys.argv[1])
best: dict[str, float] = {}
for _ in range(ROUNDS):
    told = {}
    started = time.process_time()
    heuristic_models(table, "path", "conv", sep=">")
    told["heuristics"] = time.process_time() - started
    started = time.process_time()
    markov_model(table, "path", "conv", var_null="null", order=1, sep=">", verbose=False)
    told["markov 1"] = time.process_time() - started
    if not best or sum(told.values()) < sum(best.values()):
        best = told
print("RESULT" + json.dumps({"seconds": best, "megabytes": peak()}))
