function() {
  var ecommerce = {{CTX - dl ecommerce}} || {};
  var items = ecommerce.items || [];
  var parameters = {content_type: 'product', contents: []};
  for (var i = 0; i < items.length; i++) {
    parameters.contents.push({
      content_id: String(items[i].item_id),
      content_name: items[i].item_name,
      quantity: Number(items[i].quantity) || 1,
      price: Number(items[i].price) || 0
    });
  }
  if (ecommerce.value !== undefined) { parameters.value = Number(ecommerce.value) || 0; }
  if (ecommerce.currency) { parameters.currency = ecommerce.currency; }
  return parameters;
}
