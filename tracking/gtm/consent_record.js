// Records the visitor's choice in one first-party cookie, forgets click ids after a refusal, then tells the other tags.
// The choice itself is the only thing stored before or without consent.
(function (w, d, config) {
  'use strict';
@@include_cookies

  var given = {{CTX - dl ctx_consent}} || {};
  var bits = '';
  for (var i = 0; i < CTX_TYPES.length; i++) { bits += given[CTX_TYPES[i]] === 'granted' ? '1' : '0'; }
  ctxWrite('ctx_choice', bits + '.' + new Date().getTime() + '.' + config.policy, CTX_DAYS_90, config.domain);

  if (bits.charAt(0) === '0') {
    var names = ['gclid', 'gbraid', 'wbraid', 'fbclid', 'fbc', 'ttclid', 'msclkid', 'first', 'last'];
    for (i = 0; i < names.length; i++) { ctxWrite('ctx_' + names[i], '', 0, config.domain); }
  }
  w.dataLayer = w.dataLayer || [];
  w.dataLayer.push({event: 'ctx_consent_ready'});
}(window, document, {policy: {{CTX - Consent policy version}}, domain: @@domain}));
