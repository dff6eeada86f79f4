  // Values written here are cookie-safe already (ids, digits, percent-encoded text), so nothing is encoded twice.
  var CTX_TYPES = ['ad_storage', 'analytics_storage', 'ad_user_data', 'ad_personalization'];
  var CTX_DAYS_90 = 7776000;

  // Sandboxed frames (Shopify's custom pixels) refuse cookies altogether.
  function ctxRead(name) {
    try {
      var found = document.cookie.match('(?:^|; )' + name + '=([^;]*)');
      return found ? found[1] : '';
    } catch (refused) { return ''; }
  }

  function ctxWrite(name, value, seconds, domain) {
    var host = window.location.hostname;
    var shared = domain && (host === domain || host.slice(-domain.length - 1) === '.' + domain);
    try {
      document.cookie = name + '=' + value + '; path=/; max-age=' + seconds + '; SameSite=Lax' +
        (shared ? '; domain=' + domain : '') + (window.location.protocol === 'https:' ? '; Secure' : '');
    } catch (refused) { return; }
  }

  // The recorded choice: four bits in the order of CTX_TYPES, epoch milliseconds, version of the text the visitor saw.
  // A choice made under another version of the text is no choice.
  function ctxChoice(policy) {
    var parts = ctxRead('ctx_choice').split('.');
    if (parts.length < 3 || parts[0].length !== CTX_TYPES.length || parts.slice(2).join('.') !== policy) { return null; }
    var choice = {at: parts[1], version: policy};
    for (var i = 0; i < CTX_TYPES.length; i++) { choice[CTX_TYPES[i]] = parts[0].charAt(i) === '1'; }
    return choice;
  }
