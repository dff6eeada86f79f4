"""The messages of the Google Ads API that the stand-in speaks, and of these the fields it uses, as the API publishes them.

The vendor's package turns two thousand messages into classes, 66 MB of them, to let anybody use these twenty. Names
and numbers are the same in every version served; a test holds each of them against the vendor's package.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

PACKAGE = "cortex.sandbox"

DEFINITIONS = """
message SearchGoogleAdsStreamRequest { string customer_id = 1; string query = 2; }
message SearchGoogleAdsStreamResponse {
  repeated GoogleAdsRow results = 1; FieldMask field_mask = 2; string request_id = 4; int64 query_resource_consumption = 6;
}
message FieldMask { repeated string paths = 1; }
message GoogleAdsRow {
  Customer customer = 1; Campaign campaign = 2; AdGroup ad_group = 3; Metrics metrics = 4; AdGroupAd ad_group_ad = 16;
  CustomerClient customer_client = 70; Segments segments = 102; ClickView click_view = 122;
}
message Customer {
  string resource_name = 1; ConversionTrackingSetting conversion_tracking_setting = 14; optional int64 id = 19;
  optional string descriptive_name = 20; optional string currency_code = 21; optional string time_zone = 22;
  optional bool auto_tagging_enabled = 25; optional bool manager = 27; optional bool test_account = 28;
  CustomerStatus status = 36;
}
message ConversionTrackingSetting {
  bool accepted_customer_data_terms = 5; bool enhanced_conversions_for_leads_enabled = 7;
  string google_ads_conversion_customer = 8;
}
message CustomerClient {
  string resource_name = 1; optional string client_customer = 12; optional bool hidden = 13; optional int64 level = 14;
  optional string time_zone = 15; optional bool test_account = 16; optional bool manager = 17;
  optional string descriptive_name = 18; optional string currency_code = 19; optional int64 id = 20;
  CustomerStatus status = 22;
}
message Campaign {
  string resource_name = 1; CampaignStatus status = 5; AdvertisingChannelType advertising_channel_type = 9;
  optional string name = 58; optional int64 id = 59;
}
message AdGroup { string resource_name = 1; AdGroupStatus status = 5; optional int64 id = 34; optional string name = 35; }
message AdGroupAd { string resource_name = 1; AdGroupAdStatus status = 3; Ad ad = 5; }
message Ad { optional int64 id = 40; optional string name = 47; }
message ClickView { string resource_name = 1; optional string gclid = 8; optional string ad_group_ad = 10; }
message Segments { optional string date = 79; }
message Metrics {
  optional int64 clicks = 131; optional double conversions_value = 165; optional double conversions = 168;
  optional int64 cost_micros = 169; optional double ctr = 174; optional double all_conversions_value = 192;
  optional double all_conversions = 193; optional double average_cpc = 204; optional int64 impressions = 221;
  optional int64 interactions = 223; optional double conversions_value_by_conversion_date = 242;
  optional double conversions_by_conversion_date = 243;
}
enum CustomerStatus { ENABLED = 2; }
enum CampaignStatus { ENABLED = 2; }
enum AdGroupStatus { ENABLED = 2; }
enum AdGroupAdStatus { ENABLED = 2; }
enum AdvertisingChannelType {
  SEARCH = 2; DISPLAY = 3; SHOPPING = 4; HOTEL = 5; VIDEO = 6; MULTI_CHANNEL = 7; LOCAL = 8; SMART = 9;
  PERFORMANCE_MAX = 10; LOCAL_SERVICES = 11; TRAVEL = 13; DEMAND_GEN = 14;
}

message GoogleAdsFailure { repeated GoogleAdsError errors = 1; string request_id = 2; }
message GoogleAdsError { ErrorCode error_code = 1; string message = 2; ErrorDetails details = 5; }
message ErrorDetails { QuotaErrorDetails quota_error_details = 4; }
message QuotaErrorDetails { QuotaRateScope rate_scope = 1; string rate_name = 2; Duration retry_delay = 3; }
message Duration { int64 seconds = 1; }
message ErrorCode {
  RequestError request_error = 1; QueryError query_error = 5; AuthorizationError authorization_error = 9;
  InternalError internal_error = 10; QuotaError quota_error = 11; AuthenticationError authentication_error = 17;
  DateRangeError date_range_error = 34; HeaderError header_error = 66;
}
enum QuotaRateScope { ACCOUNT = 2; DEVELOPER = 3; }
enum RequestError { INVALID_CUSTOMER_ID = 16; }
enum HeaderError { INVALID_LOGIN_CUSTOMER_ID = 3; }
enum AuthenticationError { OAUTH_TOKEN_INVALID = 15; }
enum AuthorizationError { USER_PERMISSION_DENIED = 2; AUTHORIZATION_ERROR = 6; }
enum QuotaError { RESOURCE_EXHAUSTED = 2; }
enum InternalError { INTERNAL_ERROR = 2; TRANSIENT_ERROR = 4; }
enum DateRangeError { INVALID_DATE = 2; START_DATE_AFTER_END_DATE = 3; }
enum QueryError {
  BAD_SYMBOL = 2; BAD_OPERATOR = 3; BAD_VALUE = 4; BAD_NUMBER = 5; STRING_NOT_TERMINATED = 6; UNEXPECTED_INPUT = 11;
  BAD_FIELD_NAME = 12; EXPECTED_SELECT = 13; EXPECTED_BY = 14; BAD_LIMIT_VALUE = 15;
  EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE = 16; INVALID_VALUE_WITH_DURING_OPERATOR = 22;
  PROHIBITED_FIELD_IN_SELECT_CLAUSE = 23; LIMIT_VALUE_TOO_LOW = 25; EXPECTED_VALUE_WITH_BETWEEN_OPERATOR = 29;
  UNRECOGNIZED_FIELD = 32; OPERATOR_FIELD_MISMATCH = 35; DATE_RANGE_TOO_WIDE = 36; INVALID_DATE_FORMAT = 38;
  PROHIBITED_FIELD_IN_ORDER_BY_CLAUSE = 40; EXPECTED_LIST = 41; EXPECTED_FROM = 44;
  BAD_RESOURCE_TYPE_IN_FROM_CLAUSE = 45; PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE = 49; QUERY_ERROR = 50;
  EXPECTED_FILTERS_ON_DATE_RANGE = 55; REQUESTED_METRICS_FOR_MANAGER = 59; BAD_PARAMETER_NAME = 61;
}
"""

_DEFINITION = re.compile(r"(message|enum) (\w+) \{([^}]*)\}")
_MEMBER = re.compile(r"(?:(repeated|optional) )?(?:(\w+) )?(\w+) = (\d+);")


@cache
def message(name: str) -> Any:
    """The class of a message of DEFINITIONS."""
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


def assign(target: Any, path: str, value: Any) -> None:
    """Set a field of a message by its path, such as `campaign.status`; enums by the name of their member."""
    *parents, name = path.split(".")
    for parent in parents:
        target = getattr(target, parent)
    kind = target.DESCRIPTOR.fields_by_name[name].enum_type
    setattr(target, name, value if kind is None else kind.values_by_name[value].number)


@cache
def _pool() -> Any:
    """DEFINITIONS, loaded apart from the vendor's own messages, which a process may use at the same time."""
    from google.protobuf import descriptor_pb2, descriptor_pool

    found = _DEFINITION.findall(DEFINITIONS)
    enums = {name for kind, name, _ in found if kind == "enum"}
    file = descriptor_pb2.FileDescriptorProto(name="sandbox.proto", package=PACKAGE, syntax="proto3")
    for kind, name, body in found:
        if kind == "message":
            _describe(file.message_type.add(name=name), body, enums)
            continue
        # Members of an enum share the scope around it, hence a message around each, as Google does it.
        enum = file.message_type.add(name=f"{name}Enum").enum_type.add(name=name)
        enum.value.add(name="UNSPECIFIED", number=0)
        for _, _, member, number in _MEMBER.findall(body):
            enum.value.add(name=member, number=int(number))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _describe(target: Any, body: str, enums: set[str]) -> None:
    for label, kind, name, number in _MEMBER.findall(body):
        field = target.field.add(name=name, number=int(number))
        field.label = field.LABEL_REPEATED if label == "repeated" else field.LABEL_OPTIONAL
        if kind in enums:
            field.type_name = f".{PACKAGE}.{kind}Enum.{kind}"
        elif kind[0].isupper():
            field.type_name = f".{PACKAGE}.{kind}"
        else:
            field.type = getattr(field, f"TYPE_{kind.upper()}")
        if label == "optional":  # presence of its own: zeros and empty texts are sent
            field.proto3_optional = True
            field.oneof_index = len(target.oneof_decl)
            target.oneof_decl.add(name=f"_{name}")
