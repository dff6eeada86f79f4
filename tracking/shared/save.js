  // Asks the shop's own server and hands over what it says, or nothing when it says no.
  function ask(method, url, body, then) {
    var request = new XMLHttpRequest();
    request.open(method, url, true);
    request.setRequestHeader('Accept', 'application/json');
    if (body) { request.setRequestHeader('Content-Type', 'application/json'); }
    request.onload = function () {
      var said = null;
      if (request.status >= 200 && request.status < 300) {
        try { said = JSON.parse(request.responseText); } catch (broken) { said = null; }
      }
      then(said);
    };
    request.onerror = function () { then(null); };
    request.send(body ? JSON.stringify(body) : null);
  }

  // Every name the kit may have saved before is sent again, empty where it is gone: a choice taken back takes the ids along.
  var CTX_NAMES = ['ctx_gclid', 'ctx_gbraid', 'ctx_wbraid', 'ctx_fbclid', 'ctx_ttclid', 'ctx_msclkid', 'ctx_first',
    'ctx_last', 'ctx_fbc', 'ctx_fbp', 'ctx_ttp', 'ctx_ga_client_id', 'ctx_consent'];
  function whole(attributes) {
    var found = {};
    for (var i = 0; i < CTX_NAMES.length; i++) { found[CTX_NAMES[i]] = attributes[CTX_NAMES[i]] || ''; }
    return found;
  }
