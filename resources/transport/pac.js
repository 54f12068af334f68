// The functions that a proxy configuration script may call. What needs the network is asked of NAMES, a table that
// grows from one run to the next: a name that is not in it is put down in WANTED.
var WANTED = [];
var NAMES = {};
var OWN_ADDRESS = "127.0.0.1";
function dnsResolve(host) {
  host = String(host);
  if (/^\d+\.\d+\.\d+\.\d+$/.test(host)) return host;
  if (Object.prototype.hasOwnProperty.call(NAMES, host)) return NAMES[host];
  WANTED.push(host);
  return null;
}
function myIpAddress() { return OWN_ADDRESS; }
function alert() {}
function isPlainHostName(host) { return host.indexOf(".") < 0; }
function dnsDomainIs(host, domain) { return host.length >= domain.length && host.endsWith(domain); }
function localHostOrDomainIs(host, hostdom) { return host === hostdom || hostdom.startsWith(host + "."); }
function isResolvable(host) { return dnsResolve(host) !== null; }
function dnsDomainLevels(host) { return host.split(".").length - 1; }
function convert_addr(address) {
  return String(address).split(".").reduce(function (sum, part) { return ((sum << 8) | (part & 255)) >>> 0; }, 0);
}
function isInNet(host, pattern, mask) {
  var address = dnsResolve(host);
  if (address === null) return false;
  return (convert_addr(address) & convert_addr(mask)) >>> 0 === (convert_addr(pattern) & convert_addr(mask)) >>> 0;
}
function shExpMatch(text, pattern) {
  // Two pointers and one place to come back to: a pattern of many stars takes no longer than text times pattern.
  var t = 0, p = 0, star = -1, mark = 0;
  while (t < text.length) {
    if (p < pattern.length && (pattern[p] === "?" || pattern[p] === text[t]) && pattern[p] !== "*") { t++; p++; }
    else if (p < pattern.length && pattern[p] === "*") { star = p++; mark = t; }
    else if (star >= 0) { p = star + 1; t = ++mark; }
    else return false;
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}
var DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
var MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
function withoutZone(parts) {
  var words = Array.prototype.slice.call(parts), utc = words[words.length - 1] === "GMT";
  if (utc) words.pop();
  var now = new Date();
  return {
    words: words,
    now: utc ? new Date(now.getTime() + now.getTimezoneOffset() * 60000) : now
  };
}
function between(value, first, last) { return first <= last ? first <= value && value <= last : value >= first || value <= last; }
function weekdayRange() {
  var given = withoutZone(arguments), first = DAYS.indexOf(given.words[0]);
  return between(given.now.getDay(), first, given.words.length > 1 ? DAYS.indexOf(given.words[1]) : first);
}
function dateNumber(words, now) {
  // Year, month and day as one number; what is not named is today's, so that it makes no difference.
  var year = now.getFullYear(), month = now.getMonth(), day = now.getDate();
  words.forEach(function (word) {
    if (MONTHS.indexOf(word) >= 0) month = MONTHS.indexOf(word);
    else if (word > 31) year = Number(word);
    else day = Number(word);
  });
  return (year * 12 + month) * 32 + day;
}
function dateRange() {
  var given = withoutZone(arguments), half = Math.ceil(given.words.length / 2), now = dateNumber([], given.now);
  var first = dateNumber(given.words.slice(0, half), given.now);
  return between(now, first, given.words.length > 1 ? dateNumber(given.words.slice(half), given.now) : first);
}
function timeRange() {
  var given = withoutZone(arguments), words = given.words.map(Number), now = given.now;
  var value = (now.getHours() * 60 + now.getMinutes()) * 60 + now.getSeconds();
  function seconds(parts, rest) { return ((parts[0] || 0) * 60 + (parts.length > 1 ? parts[1] : rest)) * 60 + (parts.length > 2 ? parts[2] : rest); }
  if (words.length === 1) return now.getHours() === words[0];
  var half = words.length / 2;
  if (words.length === 2) return between(value, words[0] * 3600, words[1] * 3600);
  return between(value, seconds(words.slice(0, half), 0), seconds(words.slice(half), 59));
}
