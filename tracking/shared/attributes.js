  // What the shop saves with the order, all text. Nothing before a choice; only the refusal after a refusal.
  function ctxAttributes(policy) {
    var choice = ctxChoice(policy);
    var found = {};
    if (!choice) { return found; }
    // Sending a sale to an ad platform stores, uses and personalises: it takes all three.
    var granted = choice.ad_storage && choice.ad_user_data && choice.ad_personalization;
    found.ctx_consent = (granted ? 'granted' : 'denied') + ';v=' + choice.version + ';t=' + choice.at;
    if (!choice.ad_storage) { return found; }
    var names = ['gclid', 'gbraid', 'wbraid', 'fbclid', 'ttclid', 'msclkid', 'first', 'last'];
    for (var i = 0; i < names.length; i++) {
      var value = ctxRead('ctx_' + names[i]);
      if (value) { found['ctx_' + names[i]] = value; }
    }
    // The pixel's own cookie wins when it speaks of the same click, so that browser and server send the same fbc.
    var pixel = ctxRead('_fbc');
    var ours = ctxRead('ctx_fbc');
    var fbc = pixel && (!ours || pixel.indexOf('.' + found.ctx_fbclid) > 0) ? pixel : ours;
    if (fbc) { found.ctx_fbc = fbc; }
    // fbp is only ever read: an invented one matches nobody.
    var fbp = ctxRead('_fbp');
    if (fbp) { found.ctx_fbp = fbp; }
    // TikTok's browser id, likewise.
    var ttp = ctxRead('_ttp');
    if (ttp) { found.ctx_ttp = ttp; }
    // GA1.1.<number>.<time>: what a refund must name for GA4 to know the browser.
    var ga = choice.analytics_storage && /^GA\d\.\d+\.(\d{1,10}\.\d{1,10})$/.exec(ctxRead('_ga'));
    if (ga) { found.ctx_ga_client_id = ga[1]; }
    return found;
  }
