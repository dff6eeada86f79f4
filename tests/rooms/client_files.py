"""Client files and platforms for the tests of the tenant room: adapters that declare settings and do nothing."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator

from cortex.settings import Adapter, PlatformSection, SecretName
from cortex.workspace import Workspace

GOOGLE = SecretName("GOOGLE_CREDENTIALS", "JSON of a service account or an authorised user")


class Shop(Adapter):
    class Config(PlatformSection):
        """A shop."""

        store_id: str = Field(pattern=r"^\d+$", description="Number of the shop.")

    secrets: ClassVar[tuple[SecretName, ...]] = (SecretName("SHOP_TOKEN", "Access token of the shop's app"),)
    docs: ClassVar[str] = "platforms/shop.md"


class Folder(Adapter):
    class Config(PlatformSection):
        folder: str


class Meta(Adapter):
    class Config(PlatformSection):
        account_id: str

        @field_validator("account_id")
        @classmethod
        def _prefix(cls, value: str) -> str:
            if not value.startswith("act_"):
                raise ValueError("must start with act_")
            return value

    secrets: ClassVar[tuple[SecretName, ...]] = (SecretName("META_TOKEN", "Token of a system user"),)
    docs: ClassVar[str] = "platforms/meta"


class Google(Adapter):
    class Config(PlatformSection):
        customer_id: str
        login_customer_id: str | None = None

        @field_validator("customer_id", "login_customer_id")
        @classmethod
        def _digits(cls, value: str | None) -> str | None:
            return value and value.replace("-", "")

    secrets: ClassVar[tuple[SecretName, ...]] = (
        GOOGLE,
        SecretName("GOOGLE_DEVELOPER_TOKEN", "Developer token of the manager account"),
    )


class Ga4(Adapter):
    class Config(PlatformSection):
        property_id: str

    secrets: ClassVar[tuple[SecretName, ...]] = (GOOGLE,)


class Pixel(Adapter):
    class Config(PlatformSection):
        pixel_id: str

    secrets: ClassVar[tuple[SecretName, ...]] = (SecretName("META_CAPI_TOKEN", "Token of the pixel", "META_TOKEN"),)


class Enhanced(Adapter):
    class Config(PlatformSection):
        inherits: ClassVar[dict[str, str]] = {"customer_id": "ads.google.customer_id"}
        conversion_action_id: str
        customer_id: str

    secrets: ClassVar[tuple[SecretName, ...]] = (GOOGLE,)


ADAPTERS: dict[str, dict[str, type[Adapter]]] = {
    "stores": {"nuvemshop": Shop, "csv": Folder},
    "ads": {"google": Google, "meta": Meta},
    "traffic": {"ga4": Ga4},
    "destinations": {"google_ec": Enhanced, "meta_capi": Pixel},
}


class StandIns:
    """The platforms of these tests."""

    def kinds(self, room: str) -> list[str]:
        return sorted(ADAPTERS[room])

    def adapter(self, room: str, kind: str) -> type[Adapter]:
        return ADAPTERS[room][kind]


STAND_INS = StandIns()

MINIMAL = """client:
  name: Loja
  code: xyz
  timezone: America/Sao_Paulo
ecommerce:
  platform: nuvemshop
  store_id: "123456"
"""


def workspace(folder: Path, text: str | bytes = MINIMAL, code: str = "xyz") -> Workspace:
    """A workspace with one client file."""
    (folder / "tenants").mkdir(exist_ok=True)
    content = text.encode() if isinstance(text, str) else text
    (folder / "tenants" / f"{code}.yaml").write_bytes(content)
    return Workspace(folder)
