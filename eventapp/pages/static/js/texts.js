// Translates the texts of scripts, and writes dates, times and amounts as the language of the page does.

export const language = document.documentElement.lang;
const locale = language === "en" ? "en-GB" : "el-GR";

// By English text, its translation, or the list of its plural forms. English needs none.
const translations = language === "en" ? {} : (await import(`../texts/${language}.js`)).default;
const pluralRules = new Intl.PluralRules(locale);

function fill(text, values) {
  return text.replace(/%\((\w+)\)s|%%/g, (match, name) => (match === "%%" ? "%" : String(values[name])));
}

// Returns the translation of an English text, with its `%(name)s` filled in.
export function _(text, values = {}) {
  return fill(translations[text] || text, values);
}

// Returns the translation that suits a count, which fills `%(num)s`.
export function ngettext(singular, plural, count, values = {}) {
  const [one, other] = translations[singular] || [singular, plural];
  return fill(pluralRules.select(count) === "one" ? one : other, { num: count, ...values });
}

// Returns an amount of money, without `.00` unless `digits` is 2.
export function formatAmount(amount, currency, digits = Number.isInteger(amount) ? 0 : 2) {
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(locale, { style: "currency", currency, ...options }).format(amount);
}

// Returns a number; `options` are those of Intl.NumberFormat.
export function formatNumber(value, options = {}) {
  return new Intl.NumberFormat(locale, options).format(value);
}

// Returns a date with its weekday. `day` is `YYYY-MM-DD`.
export function formatDay(day) {
  const options = { weekday: "short", day: "numeric", month: "long", year: "numeric", timeZone: "UTC" };
  return new Intl.DateTimeFormat(locale, options).format(new Date(`${day}T00:00:00Z`));
}

// Returns the date and time of a moment, by default in the zone of the browser.
// `moment` is a time as the API writes it; `timeZone` an IANA name.
export function formatMoment(moment, timeZone = undefined) {
  const options = {
    weekday: "short", day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit",
  };
  return new Intl.DateTimeFormat(locale, { ...options, timeZone }).format(new Date(moment));
}

export function formatTime(moment, timeZone = undefined) {
  return new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", timeZone }).format(new Date(moment));
}

// Returns the address of a page, in the language that this page was opened in by `?lang=`.
export function makeLink(path, query = {}) {
  const chosen = new URLSearchParams(location.search).get("lang");
  const parameters = new URLSearchParams(Object.entries(query).filter(([, value]) => value != null));
  if (chosen) parameters.set("lang", chosen);
  return parameters.size ? `${path}?${parameters}` : path;
}
