-- title: Models behind the predictions
-- grain: model, role, parameter
-- columns:
--   model           text   bg_nbd, mbg_nbd, gamma_gamma, average.
--   role            text   orders or value.
--   parameter       text   r, alpha, a, b; p, q, v; empty for averages.
--   value           rate   Most likely value; times are in weeks.
--   error           rate   Its standard error.
--   is_used         flag   1 for the model the predictions are from.
--   is_converged    flag   1 when a maximum was found.
--   reason          text   Code of what stood in the way; else empty.
--   log_likelihood  rate   At the parameters found.
--   buyers          count  Buyers seen.
--   repeat_buyers   count  Of them, those who came back.
--   correlation     rate   Of how often and how much; for value models.
--   as_of           date   Last day the models saw.
SELECT
    m.model AS model,
    m.role AS role,
    COALESCE(p.parameter, '') AS parameter,
    p.value AS value,
    p.error AS error,
    m.is_used AS is_used,
    m.is_converged AS is_converged,
    m.reason AS reason,
    m.log_likelihood AS log_likelihood,
    m.buyers AS buyers,
    m.repeat_buyers AS repeat_buyers,
    m.correlation AS correlation,
    m.as_of AS as_of
FROM customer_models m
LEFT JOIN customer_model_parameters p ON p.model = m.model
