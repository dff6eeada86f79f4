function() {
  // A purchase has the id the server sends too, so that the platform keeps one of the two. Other events are told apart by
  // the page load and by the number Tag Manager gives each event on it: two products put in the cart are two events.
  var event = {{Event}};
  var order = {{CTX - dl ecommerce.transaction_id}};
  if (event === 'purchase' && order) { return 'purchase-' + order; }
  return event + '-' + {{CTX - Page load id}} + '.' + {{CTX - dl gtm.uniqueEventId}};
}
