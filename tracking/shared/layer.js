  var layer = w.dataLayer = w.dataLayer || [];

  // `ecommerce: null` first: Tag Manager would otherwise merge the items of the event before into this one.
  function tell(event, ecommerce) {
    layer.push({ecommerce: null});
    layer.push({event: event, ecommerce: ecommerce});
  }

  function money(cents) { return Math.round(Number(cents) || 0) / 100; }

  function worth(items) {
    var cents = 0;
    for (var i = 0; i < items.length; i++) { cents += Math.round(items[i].price * 100) * items[i].quantity; }
    return cents / 100;
  }

  function basket(items, currency) { return {currency: currency, value: worth(items), items: items}; }
