// Remembers how the visitor came (click ids and campaign, first and last touch) in first-party cookies for 90 days,
// only after the visitor allowed ad storage. Case is kept: platforms match click ids byte for byte.
// Safari keeps cookies written by scripts for 7 days (24 hours after a decorated link): first touches there are short-lived.
(function (w, d, config) {
  'use strict';
@@include_cookies

  var CLICK_IDS = ['gclid', 'gbraid', 'wbraid', 'fbclid', 'ttclid', 'msclkid'];
  var UTM = ['source', 'medium', 'campaign', 'content', 'term'];
  // A buyer coming back from the payment page did not come from there.
  var NOT_A_SOURCE = /(^|\.)(mercadopago\.com(\.br)?|pagseguro\.uol\.com\.br|pagbank\.com\.br|pagar\.me|paypal\.com|nuvemshop\.com\.br|tiendanube\.com)$/;

  var choice = ctxChoice(config.policy);
  if (!choice || !choice.ad_storage || w.ctxCaptured) { return; }
  w.ctxCaptured = true;

  // "+" stays "+" in a click id and becomes a space in a campaign name.
  function parameter(name, plain) {
    var pairs = w.location.search.slice(1).split('&');
    for (var i = 0; i < pairs.length; i++) {
      var cut = pairs[i].indexOf('=');
      if (cut > 0 && pairs[i].slice(0, cut) === name) {
        var raw = pairs[i].slice(cut + 1);
        try { return decodeURIComponent(plain ? raw.replace(/\+/g, ' ') : raw); } catch (broken) { return ''; }
      }
    }
    return '';
  }

  // A click id that is cut or altered matches nothing, so a strange one is left out whole.
  function clickId(name) {
    var value = parameter(name, false);
    return /^[\w.~+\/=:-]{1,500}$/.test(value) ? value : '';
  }

  // A campaign parameter that holds an e-mail address came from a broken mail tool: it is a person, not a campaign.
  function campaign(name) {
    var value = parameter('utm_' + name, true);
    return value.indexOf('@') < 0 ? value.slice(0, 100) : '';
  }

  function foreignReferrer() {
    var host = (d.referrer.match(/^https?:\/\/([^\/:?#]+)/) || [])[1] || '';
    var own = config.domain || w.location.hostname;
    var inside = host === w.location.hostname || host === own || host.slice(-own.length - 1) === '.' + own;
    return !host || inside || NOT_A_SOURCE.test(host) ? '' : host;
  }

  var now = new Date().getTime();
  var clicks = {};
  var tagged = false;
  var i;
  for (i = 0; i < CLICK_IDS.length; i++) {
    clicks[CLICK_IDS[i]] = clickId(CLICK_IDS[i]);
    tagged = tagged || !!clicks[CLICK_IDS[i]];
  }
  var touch = {};
  for (i = 0; i < UTM.length; i++) {
    touch[UTM[i]] = campaign(UTM[i]);
    tagged = tagged || !!touch[UTM[i]];
  }
  var referrer = foreignReferrer();
  if (!tagged && referrer) {
    touch.source = referrer;
    touch.medium = 'referral';
  } else if (!tagged) {
    touch.source = '(direct)';
    touch.medium = '(none)';
  }

  // The query string of the page may hold anything, so only the path travels.
  var text = 't=' + now;
  for (i = 0; i < UTM.length; i++) { text += '&' + UTM[i] + '=' + encodeURIComponent(touch[UTM[i]]); }
  text += '&lp=' + encodeURIComponent(w.location.pathname.slice(0, 200));
  for (i = 0; i < CLICK_IDS.length; i++) {
    if (clicks[CLICK_IDS[i]]) { text += '&' + CLICK_IDS[i] + '=' + encodeURIComponent(clicks[CLICK_IDS[i]]); }
  }

  for (i = 0; i < CLICK_IDS.length; i++) {
    if (clicks[CLICK_IDS[i]]) { ctxWrite('ctx_' + CLICK_IDS[i], clicks[CLICK_IDS[i]], CTX_DAYS_90, config.domain); }
  }
  // fb.<subdomain index>.<first seen>.<fbclid>: the same click seen again keeps its first time.
  if (clicks.fbclid && ctxRead('ctx_fbc').split('.').slice(3).join('.') !== clicks.fbclid) {
    ctxWrite('ctx_fbc', 'fb.1.' + now + '.' + clicks.fbclid, CTX_DAYS_90, config.domain);
  }
  if (!ctxRead('ctx_first')) { ctxWrite('ctx_first', text, CTX_DAYS_90, config.domain); }
  // A direct visit does not take the last touch from the campaign before it.
  if (tagged || referrer || !ctxRead('ctx_last')) { ctxWrite('ctx_last', text, CTX_DAYS_90, config.domain); }
}(window, document, {policy: {{CTX - Consent policy version}}, domain: @@domain}));
