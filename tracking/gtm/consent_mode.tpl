___INFO___

{
  "type": "TAG",
  "id": "cvt_temp_public_id",
  "version": 1,
  "securityGroups": [],
  "displayName": "CTX - Consent mode",
  "brand": {
    "id": "brand_dummy",
    "displayName": ""
  },
  "description": "Denies every storage and use by default, restores the recorded choice, and passes on a new one. It uses the consent calls of Tag Manager because gtag commands of a Custom HTML tag run after the tags of the same event.",
  "containerContexts": [
    "WEB"
  ]
}


___TEMPLATE_PARAMETERS___

[
  {
    "type": "SELECT",
    "name": "command",
    "displayName": "Command",
    "macrosInSelect": false,
    "selectItems": [
      {
        "value": "default",
        "displayValue": "default"
      },
      {
        "value": "update",
        "displayValue": "update"
      }
    ],
    "simpleValueType": true
  },
  {
    "type": "TEXT",
    "name": "waitForUpdate",
    "displayName": "Milliseconds Google tags wait for a choice",
    "simpleValueType": true
  },
  {
    "type": "TEXT",
    "name": "policyVersion",
    "displayName": "Version of the consent text",
    "simpleValueType": true
  },
  {
    "type": "TEXT",
    "name": "storedChoice",
    "displayName": "Recorded choice",
    "simpleValueType": true
  },
  {
    "type": "TEXT",
    "name": "ad_storage",
    "displayName": "ad_storage",
    "simpleValueType": true
  },
  {
    "type": "TEXT",
    "name": "analytics_storage",
    "displayName": "analytics_storage",
    "simpleValueType": true
  },
  {
    "type": "TEXT",
    "name": "ad_user_data",
    "displayName": "ad_user_data",
    "simpleValueType": true
  },
  {
    "type": "TEXT",
    "name": "ad_personalization",
    "displayName": "ad_personalization",
    "simpleValueType": true
  }
]


___SANDBOXED_JS_FOR_WEB_TEMPLATE___

const setDefaultConsentState = require('setDefaultConsentState');
const updateConsentState = require('updateConsentState');
const makeNumber = require('makeNumber');
const makeString = require('makeString');

const TYPES = ['ad_storage', 'analytics_storage', 'ad_user_data', 'ad_personalization'];

const restore = () => {
  const parts = makeString(data.storedChoice || '').split('.');
  if (parts.length < 3 || parts[0].length !== TYPES.length) return;
  if (parts.slice(2).join('.') !== makeString(data.policyVersion)) return;
  const recorded = {};
  TYPES.forEach((type, i) => {
    recorded[type] = parts[0].charAt(i) === '1' ? 'granted' : 'denied';
  });
  updateConsentState(recorded);
};

if (data.command === 'default') {
  setDefaultConsentState({
    ad_storage: 'denied',
    analytics_storage: 'denied',
    ad_user_data: 'denied',
    ad_personalization: 'denied',
    wait_for_update: makeNumber(data.waitForUpdate) || 500
  });
  restore();
} else {
  const chosen = {};
  TYPES.forEach((type) => {
    chosen[type] = data[type] === 'granted' ? 'granted' : 'denied';
  });
  updateConsentState(chosen);
}

data.gtmOnSuccess();


___WEB_PERMISSIONS___

[
  {
    "instance": {
      "key": {
        "publicId": "access_consent",
        "versionId": "1"
      },
      "param": [
        {
          "key": "consentTypes",
          "value": {
            "type": 2,
            "listItem": [
              {
                "type": 3,
                "mapKey": [
                  {"type": 1, "string": "consentType"},
                  {"type": 1, "string": "read"},
                  {"type": 1, "string": "write"}
                ],
                "mapValue": [
                  {"type": 1, "string": "ad_storage"},
                  {"type": 8, "boolean": false},
                  {"type": 8, "boolean": true}
                ]
              },
              {
                "type": 3,
                "mapKey": [
                  {"type": 1, "string": "consentType"},
                  {"type": 1, "string": "read"},
                  {"type": 1, "string": "write"}
                ],
                "mapValue": [
                  {"type": 1, "string": "analytics_storage"},
                  {"type": 8, "boolean": false},
                  {"type": 8, "boolean": true}
                ]
              },
              {
                "type": 3,
                "mapKey": [
                  {"type": 1, "string": "consentType"},
                  {"type": 1, "string": "read"},
                  {"type": 1, "string": "write"}
                ],
                "mapValue": [
                  {"type": 1, "string": "ad_user_data"},
                  {"type": 8, "boolean": false},
                  {"type": 8, "boolean": true}
                ]
              },
              {
                "type": 3,
                "mapKey": [
                  {"type": 1, "string": "consentType"},
                  {"type": 1, "string": "read"},
                  {"type": 1, "string": "write"}
                ],
                "mapValue": [
                  {"type": 1, "string": "ad_personalization"},
                  {"type": 8, "boolean": false},
                  {"type": 8, "boolean": true}
                ]
              }
            ]
          }
        }
      ]
    },
    "clientAnnotations": {
      "isEditedByUser": true
    },
    "isRequired": true
  }
]


___TESTS___

scenarios: []


___NOTES___

Made by Cortex.
