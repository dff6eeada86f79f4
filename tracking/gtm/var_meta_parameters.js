function() {
  var ecommerce = {{CTX - dl ecommerce}} || {};
  var items = ecommerce.items || [];
  var parameters = {content_type: 'product', content_ids: [], contents: [], num_items: 0};
  for (var i = 0; i < items.length; i++) {
    var quantity = Number(items[i].quantity) || 1;
    parameters.content_ids.push(String(items[i].item_id));
    parameters.contents.push({id: String(items[i].item_id), quantity: quantity, item_price: Number(items[i].price) || 0});
    parameters.num_items += quantity;
  }
  if (ecommerce.value !== undefined) { parameters.value = Number(ecommerce.value) || 0; }
  if (ecommerce.currency) { parameters.currency = ecommerce.currency; }
  if (ecommerce.transaction_id) { parameters.order_id = String(ecommerce.transaction_id); }
  return parameters;
}
