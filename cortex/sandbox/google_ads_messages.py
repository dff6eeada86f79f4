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
  OfflineConversionUploadClientSummary offline_conversion_upload_client_summary = 216;
  OfflineConversionUploadConversionActionSummary offline_conversion_upload_conversion_action_summary = 228;
}
message OfflineConversionUploadClientSummary {
  string resource_name = 1; OfflineEventUploadClient client = 2; OfflineConversionDiagnosticStatus status = 3;
  int64 total_event_count = 4; int64 successful_event_count = 5; double success_rate = 6; string last_upload_date_time = 7;
  repeated OfflineConversionSummary daily_summaries = 8; repeated OfflineConversionSummary job_summaries = 9;
  repeated OfflineConversionAlert alerts = 10; int64 pending_event_count = 11; double pending_rate = 12;
}
message OfflineConversionUploadConversionActionSummary {
  string resource_name = 1; OfflineEventUploadClient client = 2; int64 conversion_action_id = 3;
  string conversion_action_name = 4; OfflineConversionDiagnosticStatus status = 5; int64 total_event_count = 6;
  int64 successful_event_count = 7; int64 pending_event_count = 8; string last_upload_date_time = 9;
  repeated OfflineConversionSummary daily_summaries = 10; repeated OfflineConversionSummary job_summaries = 11;
  repeated OfflineConversionAlert alerts = 12;
}
message OfflineConversionSummary {
  int64 successful_count = 3; int64 failed_count = 4; int64 pending_count = 5; int64 job_id = 1;
  string upload_date = 2;
}
message OfflineConversionAlert { OfflineConversionError error = 1; double error_percentage = 2; }
message OfflineConversionError {
  ConversionAdjustmentUploadError conversion_adjustment_upload_error = 2;
  ConversionUploadError conversion_upload_error = 3; DateError date_error = 4;
  FieldError field_error = 6;
}
enum OfflineEventUploadClient { GOOGLE_ADS_API = 2; GOOGLE_ADS_WEB_CLIENT = 3; ADS_DATA_CONNECTOR = 4; }
enum OfflineConversionDiagnosticStatus { EXCELLENT = 2; GOOD = 3; NEEDS_ATTENTION = 4; NO_RECENT_UPLOAD = 6; }
message Customer {
  string resource_name = 1; ConversionTrackingSetting conversion_tracking_setting = 14; optional int64 id = 19;
  optional string descriptive_name = 20; optional string currency_code = 21; optional string time_zone = 22;
  optional bool auto_tagging_enabled = 25; optional bool manager = 27; optional bool test_account = 28;
  CustomerStatus status = 36;
}
message ConversionTrackingSetting {
  bool accepted_customer_data_terms = 5; bool enhanced_conversions_for_leads_enabled = 7;
  string google_ads_conversion_customer = 8; optional EnhancedConversionsConfig effective_enablement_setting = 10;
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
enum EnhancedConversionsConfig { OFF = 2; ON = 3; }
enum CustomerStatus { ENABLED = 2; }
enum CampaignStatus { ENABLED = 2; }
enum AdGroupStatus { ENABLED = 2; }
enum AdGroupAdStatus { ENABLED = 2; }
enum AdvertisingChannelType {
  SEARCH = 2; DISPLAY = 3; SHOPPING = 4; HOTEL = 5; VIDEO = 6; MULTI_CHANNEL = 7; LOCAL = 8; SMART = 9;
  PERFORMANCE_MAX = 10; LOCAL_SERVICES = 11; TRAVEL = 13; DEMAND_GEN = 14;
}

message UploadClickConversionsRequest {
  string customer_id = 1; repeated ClickConversion conversions = 2; bool partial_failure = 3; bool validate_only = 4;
  optional int32 job_id = 6;
}
message ClickConversion {
  optional string gclid = 9; optional string conversion_action = 10; optional string conversion_date_time = 11;
  optional double conversion_value = 12; optional string currency_code = 13; optional string order_id = 14;
  repeated UserIdentifier user_identifiers = 17; string gbraid = 18; string wbraid = 19;
  ConversionEnvironment conversion_environment = 20; Consent consent = 23; ConversionCustomerType customer_type = 26;
}
message UserIdentifier {
  OfflineUserAddressInfo address_info = 5; UserIdentifierSource user_identifier_source = 6; string hashed_email = 7;
  string hashed_phone_number = 8; string mobile_id = 9; string third_party_user_id = 10;
}
message OfflineUserAddressInfo { optional string hashed_first_name = 7; }
message Consent { ConsentStatus ad_user_data = 1; ConsentStatus ad_personalization = 2; }
message UploadClickConversionsResponse {
  Status partial_failure_error = 1; repeated ClickConversionResult results = 2; int64 job_id = 3;
}
message ClickConversionResult {
  optional string gclid = 4; optional string conversion_action = 5; optional string conversion_date_time = 6;
  repeated UserIdentifier user_identifiers = 7; string gbraid = 8; string wbraid = 9;
}
message UploadConversionAdjustmentsRequest {
  string customer_id = 1; repeated ConversionAdjustment conversion_adjustments = 2; bool partial_failure = 3;
  bool validate_only = 4; optional int32 job_id = 5;
}
message ConversionAdjustment {
  ConversionAdjustmentType adjustment_type = 5; RestatementValue restatement_value = 6;
  optional string conversion_action = 8; optional string adjustment_date_time = 9;
  repeated UserIdentifier user_identifiers = 10; optional string user_agent = 11;
  GclidDateTimePair gclid_date_time_pair = 12; optional string order_id = 13;
}
message RestatementValue { optional double adjusted_value = 3; optional string currency_code = 4; }
message GclidDateTimePair { optional string gclid = 3; optional string conversion_date_time = 4; }
message UploadConversionAdjustmentsResponse {
  Status partial_failure_error = 1; repeated ConversionAdjustmentResult results = 2; int64 job_id = 3;
}
message ConversionAdjustmentResult {
  ConversionAdjustmentType adjustment_type = 5; optional string conversion_action = 7;
  optional string adjustment_date_time = 8; GclidDateTimePair gclid_date_time_pair = 9; string order_id = 10;
}
message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
message Any { string type_url = 1; bytes value = 2; }
enum ConversionEnvironment { APP = 2; WEB = 3; }
enum ConversionCustomerType { NEW = 2; RETURNING = 3; }
enum UserIdentifierSource { FIRST_PARTY = 2; THIRD_PARTY = 3; }
enum ConsentStatus { GRANTED = 2; DENIED = 3; }
enum ConversionAdjustmentType { RETRACTION = 2; RESTATEMENT = 3; ENHANCEMENT = 4; }

message GoogleAdsFailure { repeated GoogleAdsError errors = 1; string request_id = 2; }
message GoogleAdsError { ErrorCode error_code = 1; string message = 2; ErrorLocation location = 4; ErrorDetails details = 5; }
message ErrorLocation { repeated FieldPathElement field_path_elements = 2; }
message FieldPathElement { string field_name = 1; optional int32 index = 3; }
message ErrorDetails { QuotaErrorDetails quota_error_details = 4; }
message QuotaErrorDetails { QuotaRateScope rate_scope = 1; string rate_name = 2; Duration retry_delay = 3; }
message Duration { int64 seconds = 1; }
message ErrorCode {
  RequestError request_error = 1; QueryError query_error = 5; AuthorizationError authorization_error = 9;
  InternalError internal_error = 10; QuotaError quota_error = 11; AuthenticationError authentication_error = 17;
  DateError date_error = 33; DateRangeError date_range_error = 34; FieldError field_error = 61; HeaderError header_error = 66;
  ConversionUploadError conversion_upload_error = 111; PartialFailureError partial_failure_error = 112;
  ConversionAdjustmentUploadError conversion_adjustment_upload_error = 115; CurrencyCodeError currency_code_error = 122;
  NotAllowlistedError not_allowlisted_error = 137;
}
enum DateError { INVALID_STRING_DATE_TIME_SECONDS_WITH_OFFSET = 12; LATER_THAN_MAXIMUM_DATE = 8; }
enum FieldError { REQUIRED = 2; INVALID_VALUE = 4; VALUE_MUST_BE_UNSET = 5; }
enum CurrencyCodeError { UNSUPPORTED = 2; }
enum PartialFailureError { PARTIAL_FAILURE_MODE_REQUIRED = 2; }
enum NotAllowlistedError { CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE = 2; }
enum ConversionUploadError {
  TOO_MANY_CONVERSIONS_IN_REQUEST = 2; UNPARSEABLE_GCLID = 3; ORDER_ID_ALREADY_IN_USE = 15; DUPLICATE_ORDER_ID = 16;
  CLICK_CONVERSION_ALREADY_EXISTS = 23; DUPLICATE_CLICK_CONVERSION_IN_REQUEST = 25; INVALID_CUSTOMER_FOR_CLICK = 30;
  CLICK_NOT_FOUND = 33; INVALID_USER_IDENTIFIER = 34; UNSUPPORTED_USER_IDENTIFIER = 36; GBRAID_WBRAID_BOTH_SET = 38;
  UNPARSEABLE_WBRAID = 39; UNPARSEABLE_GBRAID = 40; CONVERSION_PRECEDES_EVENT = 42; EXPIRED_EVENT = 43;
  TOO_RECENT_EVENT = 44; CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS = 48; ORDER_ID_CONTAINS_PII = 49;
  NO_CONVERSION_ACTION_FOUND = 53;
}
enum ConversionAdjustmentUploadError {
  CONVERSION_ALREADY_RETRACTED = 4; CONVERSION_NOT_FOUND = 5; CONVERSION_EXPIRED = 6; ADJUSTMENT_PRECEDES_CONVERSION = 7;
  MORE_RECENT_RESTATEMENT_FOUND = 8; TOO_MANY_ADJUSTMENTS_IN_REQUEST = 11; RESTATEMENT_ALREADY_EXISTS = 13;
  DUPLICATE_ADJUSTMENT_IN_REQUEST = 14; CONVERSION_ACTION_NOT_ELIGIBLE_FOR_ENHANCEMENT = 16;
  GCLID_DATE_TIME_PAIR_AND_ORDER_ID_BOTH_SET = 20; NO_CONVERSION_ACTION_FOUND = 27;
}
enum QuotaRateScope { ACCOUNT = 2; DEVELOPER = 3; }
enum RequestError { REQUIRED_FIELD_MISSING = 9; INVALID_CUSTOMER_ID = 16; }
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
  PROHIBITED_FIELD_IN_ORDER_BY_CLAUSE = 40; PROHIBITED_FIELD_IN_WHERE_CLAUSE = 24; EXPECTED_LIST = 41; EXPECTED_FROM = 44;
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
    """Set a field of a message by its path, such as `campaign.status`; enums by the name of their member, lists of
    messages by lists of their own values by path."""
    *parents, name = path.split(".")
    for parent in parents:
        target = getattr(target, parent)
    if isinstance(value, list):
        for each in value:
            member = getattr(target, name).add()
            for inner, one in each.items():
                assign(member, inner, one)
        return
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
