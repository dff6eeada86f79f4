function() {
  // The buyer's own data leaves only while ad_user_data is granted: by the choice on this page, else by the recorded one.
  var now = {{CTX - dl ctx_consent.ad_user_data}};
  var recorded = String({{CTX - Stored choice}} || '').split('.');
  var valid = recorded.length > 2 && recorded.slice(2).join('.') === {{CTX - Consent policy version}};
  var granted = now ? now === 'granted' : valid && recorded[0].charAt(2) === '1';
  return granted ? @@value : undefined;
}
