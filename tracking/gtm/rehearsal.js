// Runs a container's logic on a page of the rehearsal: data layer, triggers, variables, consent, Custom HTML and templates.
// It is ours, not Google's: it shows what the container decides and would send, and sends nothing.
(function (w, d) {
  'use strict';
  const version = w.CONTAINER.containerVersion;
  const variables = new Map((version.variable || []).map((each) => [each.name, each]));
  const triggers = new Map((version.trigger || []).map((each) => [String(each.triggerId), each]));
  const templates = new Map((version.customTemplate || []).flatMap((each) => {
    const gallery = (each.galleryReference || {}).galleryTemplateId;
    const own = ['cvt_' + each.containerId + '_' + each.templateId, each.templateData];
    return gallery ? [own, ['cvt_' + gallery, each.templateData]] : [own];
  }));
  const FIXED = {2147479553: 'gtm.js', 2147479572: 'gtm.init_consent', 2147479573: 'gtm.init'};
  const MOMENTS = {PAGEVIEW: 'gtm.js', DOM_READY: 'gtm.dom', WINDOW_LOADED: 'gtm.load', INIT: 'gtm.init', CONSENT_INIT: 'gtm.init_consent'};
  const GOOGLE = ['googtag', 'gaawe', 'awct', 'gclidw', 'sp', 'awud', 'gaawc', 'flc', 'fls'];

  const model = {};
  const consent = {};
  const trace = [];
  const strange = new Set();
  const ran = new Set();
  let event = '';
  let count = 0;
  let busy = false;
  const waiting = [];

  // --- data layer -----------------------------------------------------------------------------------------------------------
  const isPlain = (value) => Object.prototype.toString.call(value) === '[object Object]';
  function merge(into, from) {
    for (const key of Object.keys(from)) {
      if (key === '__proto__') { continue; }
      if (isPlain(from[key]) && isPlain(into[key])) { merge(into[key], from[key]); } else { into[key] = from[key]; }
    }
  }
  const path = (root, text) => String(text).split('.').reduce((at, key) => (at === undefined || at === null ? undefined : at[key]), root);

  function take(entry) {
    if (Object.prototype.toString.call(entry) === '[object Arguments]') {
      if (entry[0] === 'consent') { Object.assign(consent, entry[2]); }
      return;
    }
    if (!isPlain(entry)) { return; }
    merge(model, JSON.parse(JSON.stringify(entry)));
    if (entry.event) { happen(String(entry.event)); }
  }
  function drain() {
    if (busy) { return; }
    busy = true;
    while (waiting.length) { take(waiting.shift()); }
    busy = false;
  }
  const layer = w.dataLayer = w.dataLayer || [];
  const plainPush = layer.push.bind(layer);
  layer.push = function () {
    const length = plainPush.apply(null, arguments);
    waiting.push.apply(waiting, arguments);
    drain();
    return length;
  };

  // --- variables ------------------------------------------------------------------------------------------------------------
  const parameter = (item, key) => (item.parameter || []).find((each) => each.key === key);
  function cookie(name) {
    const found = d.cookie.match('(?:^|; )' + name.replace(/[^\w]/g, '\\$&') + '=([^;]*)');
    return found ? found[1] : undefined;
  }
  const BUILT_IN = {
    'Event': () => event, '_event': () => event, 'Page URL': () => w.location.href, 'Page Hostname': () => w.location.hostname,
    'Page Path': () => w.location.pathname, 'Referrer': () => d.referrer, 'Container ID': () => 'GTM-0000000',
    'Debug Mode': () => false, 'Random Number': () => 4
  };
  const KINDS = {
    c: (item) => resolved(item, 'value'),
    v: (item) => {
      const name = resolved(item, 'name');
      const value = name === 'gtm.uniqueEventId' ? count : path(model, name);
      return value === undefined && resolved(item, 'setDefaultValue') === true ? resolved(item, 'defaultValue') : value;
    },
    jsm: (item) => {
      const code = parameter(item, 'javascript').value.replace(/\{\{([^{}]+)\}\}/g, (all, name) => '__value(' + JSON.stringify(name) + ')');
      return new Function('__value', 'return (' + code + '\n)();')(value);
    },
    k: (item) => {
      const found = cookie(String(resolved(item, 'name')));
      return found !== undefined && resolved(item, 'decodeCookie') === true ? decodeURIComponent(found) : found;
    },
    j: (item) => path(w, resolved(item, 'name')),
    e: () => event,
    u: (item) => {
      const part = String(resolved(item, 'component') || 'URL');
      const key = resolved(item, 'queryKey');
      const known = {URL: w.location.href, HOST: w.location.hostname, PATH: w.location.pathname, PROTOCOL: w.location.protocol.slice(0, -1),
        FRAGMENT: w.location.hash.slice(1)};
      return part === 'QUERY' && key ? new URLSearchParams(w.location.search).get(key) || undefined : known[part];
    },
    smm: (item) => {
      const input = String(resolved(item, 'input'));
      const rows = ((parameter(item, 'map') || {}).list || []).map((row) => Object.fromEntries(row.map.map((cell) => [cell.key, text(cell.value)])));
      const row = rows.find((each) => String(each.key) === input);
      return row ? row.value : resolved(item, 'defaultValue');
    },
    awec: (item) => ({email: resolved(item, 'email'), phone_number: resolved(item, 'phone_number')})
  };
  let depth = 0;
  function value(name) {
    name = name.trim();
    const item = variables.get(name);
    if (!item) { return BUILT_IN[name] ? BUILT_IN[name]() : undefined; }
    if (!KINDS[item.type]) { strange.add('variable type ' + item.type); return undefined; }
    if (depth > 30) { strange.add('variables that name each other'); return undefined; }
    depth += 1;
    try { return KINDS[item.type](item); } catch (broken) { strange.add('variable ' + name + ': ' + broken.message); return undefined; }
    finally { depth -= 1; }
  }
  // A text that is one variable keeps the variable's type.
  function text(written) {
    const whole = /^\{\{([^{}]+)\}\}$/.exec(String(written));
    return whole ? value(whole[1]) : String(written).replace(/\{\{([^{}]+)\}\}/g, (all, name) => String(value(name)));
  }
  function plain(item) {
    if (item.type === 'LIST') { return (item.list || []).map(plain); }
    if (item.type === 'MAP') { return Object.fromEntries((item.map || []).map((cell) => [cell.key, plain(cell)])); }
    if (item.type === 'BOOLEAN') { return text(item.value) === true || String(text(item.value)) === 'true'; }
    return item.value === undefined ? undefined : text(item.value);
  }
  function resolved(item, key) {
    const found = parameter(item, key);
    return found ? plain(found) : undefined;
  }

  // --- triggers -------------------------------------------------------------------------------------------------------------
  function holds(condition) {
    const said = Object.fromEntries((condition.parameter || []).map((each) => [each.key, each]));
    const left = said.arg0 ? String(text(said.arg0.value)) : '';
    const right = said.arg1 ? String(text(said.arg1.value)) : '';
    const kinds = {
      EQUALS: () => left === right, CONTAINS: () => left.includes(right), STARTS_WITH: () => left.startsWith(right),
      ENDS_WITH: () => left.endsWith(right), MATCH_REGEX: () => new RegExp(right, said.ignore_case && said.ignore_case.value === 'true' ? 'i' : '').test(left),
      GREATER: () => Number(left) > Number(right), GREATER_OR_EQUALS: () => Number(left) >= Number(right),
      LESS: () => Number(left) < Number(right), LESS_OR_EQUALS: () => Number(left) <= Number(right)
    };
    if (!kinds[condition.type]) { strange.add('condition ' + condition.type); return false; }
    const answer = kinds[condition.type]();
    return said.negate && said.negate.value === 'true' ? !answer : answer;
  }
  function fires(id) {
    if (FIXED[id]) { return FIXED[id] === event; }
    const trigger = triggers.get(String(id));
    if (!trigger) { return false; }
    const every = (name) => (trigger[name] || []).every(holds);
    if (trigger.type === 'CUSTOM_EVENT') { return (trigger.customEventFilter || []).length > 0 && every('customEventFilter') && every('filter'); }
    return MOMENTS[trigger.type] === event && every('filter');
  }

  // --- tags -----------------------------------------------------------------------------------------------------------------
  function happen(name) {
    event = name;
    count += 1;
    const done = new Set();
    const due = (version.tag || []).filter((tag) => (tag.firingTriggerId || []).some(fires) && !(tag.blockingTriggerId || []).some(fires));
    const weight = (tag) => Number((tag.priority || {}).value || 0);
    due.sort((one, two) => weight(two) - weight(one));
    due.forEach((tag) => run(tag, done));
  }
  function note(tag, state, more) { trace.push(Object.assign({event: event, tag: tag.name, type: tag.type, state: state}, more)); }
  function run(tag, done) {
    if (done.has(tag.name)) { return true; }
    done.add(tag.name);
    if (tag.paused) { note(tag, 'paused'); return false; }
    if (tag.tagFiringOption === 'ONCE_PER_LOAD' && ran.has(tag.name)) { return true; }
    for (const setup of tag.setupTag || []) {
      const first = (version.tag || []).find((each) => each.name === setup.tagName);
      if (first && !run(first, done) && setup.stopOnSetupFailure) { note(tag, 'blocked', {why: 'setup'}); return false; }
    }
    const settings = tag.consentSettings || {};
    const lacks = settings.consentStatus !== 'NEEDED' ? [] :
      ((settings.consentType || {}).list || []).map((each) => each.value).filter((type) => consent[type] === 'denied');
    if (lacks.length) { note(tag, 'blocked', {why: lacks.join(' ')}); return false; }
    ran.add(tag.name);
    try {
      if (tag.type === 'html') { note(tag, 'fired'); html(tag); }
      else if (templates.has(tag.type)) { note(tag, 'fired'); sandboxed(tag); }
      else if (GOOGLE.includes(tag.type)) { note(tag, 'fired', {told: google(tag)}); }
      else { note(tag, 'unknown'); strange.add('tag type ' + tag.type); }
    } catch (broken) { note(tag, 'broken', {why: broken.message}); return false; }
    return true;
  }
  function google(tag) {
    const told = Object.fromEntries((tag.parameter || []).map((each) => [each.key, plain(each)]));
    if (told.sendEcommerceData) { told.ecommerce = JSON.parse(JSON.stringify(model.ecommerce || null)); }
    told.consent = Object.assign({}, consent);
    return told;
  }
  w.__ctxValue = value;
  function html(tag) {
    const holder = d.createElement('div');
    const quoted = (all, name) => 'window.__ctxValue(' + JSON.stringify(name) + ')';
    holder.innerHTML = parameter(tag, 'html').value;
    for (const node of Array.from(holder.childNodes)) {
      if (node.nodeName !== 'SCRIPT') { d.body.appendChild(node); continue; }
      const script = d.createElement('script');
      if (node.src) { script.src = text(node.getAttribute('src')); }
      script.textContent = node.textContent.replace(/\{\{([^{}]+)\}\}/g, quoted);
      d.body.appendChild(script);
    }
  }
  const API = {
    setDefaultConsentState: () => (state) => { Object.assign(consent, state); },
    updateConsentState: () => (state) => { Object.assign(consent, state); },
    isConsentGranted: () => (type) => consent[type] !== 'denied',
    addConsentListener: () => () => undefined,
    makeNumber: () => Number, makeString: () => String, makeInteger: () => (each) => parseInt(each, 10),
    getType: () => (each) => (each === null ? 'null' : Array.isArray(each) ? 'array' : typeof each),
    makeTableMap: () => (rows, key, told) => Object.fromEntries((rows || []).map((row) => [row[key], row[told]])),
    copyFromDataLayer: () => (name) => path(model, name), copyFromWindow: () => (name) => path(w, name),
    getCookieValues: () => (name) => [cookie(name)].filter((each) => each !== undefined),
    getTimestamp: () => () => Date.now(), getTimestampMillis: () => () => Date.now(),
    getUrl: () => () => w.location.href, getReferrerUrl: () => () => d.referrer,
    queryPermission: () => () => true, logToConsole: () => () => undefined, callLater: () => (then) => then(),
    Object: () => Object, JSON: () => JSON, Math: () => Math, encodeUriComponent: () => encodeURIComponent
  };
  function sandboxed(tag) {
    const parts = templates.get(tag.type).split('___');
    const code = parts[parts.indexOf('SANDBOXED_JS_FOR_WEB_TEMPLATE') + 1];
    const data = Object.fromEntries((tag.parameter || []).map((each) => [each.key, plain(each)]));
    data.gtmOnSuccess = data.gtmOnFailure = () => undefined;
    const require = (name) => {
      if (API[name]) { return API[name](); }
      strange.add('template call ' + name);
      return () => undefined;
    };
    new Function('require', 'data', code)(require, data);
  }

  // --- the page -------------------------------------------------------------------------------------------------------------
  const calls = (list) => Array.from(list || []).map((each) => Array.from(each));
  w.RECORD = function () {
    const cookies = Object.fromEntries(d.cookie.split('; ').filter(Boolean).map((pair) => {
      const cut = pair.indexOf('=');
      return [pair.slice(0, cut), pair.slice(cut + 1)];
    }));
    return {
      trace: trace, fbq: calls(w.fbq && w.fbq.queue), ttq: Array.isArray(w.ttq) ? calls(w.ttq) : [], cookies: cookies,
      attributes: w.ctxAttributes ? w.ctxAttributes() : {}, strange: Array.from(strange),
      hosts: Array.from(new Set(Array.from(d.querySelectorAll('script[src], img[src], iframe[src]'))
        .map((each) => new URL(each.src, w.location.href).hostname).filter((host) => host !== w.location.hostname)))
    };
  };
  ['gtm.init_consent', 'gtm.init', 'gtm.js'].forEach((name) => layer.push({event: name}));
  const page = w.parent.CTX_PAGE;
  (page.before || []).forEach((entry) => layer.push(entry));
  ['gtm.dom', 'gtm.load'].forEach((name) => layer.push({event: name}));
  (page.pushes || []).forEach((entry) => layer.push(entry));
}(window, document));
