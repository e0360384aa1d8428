(() => {
"use strict";
// Every 2 s the page is fetched again, sooner when a number is good for less, and what has changed in it is put in its
// place. A number goes when its time is over, whether softsplit can be reached or not.
const EVERY = 2000, SOONEST = 500, LOST = 7;
let asked = 0, wall = Date.now() - performance.now(), at = new Date();
const age = () => Math.max(performance.now() - asked, Date.now() - wall) / 1000;

function morph(old, now) {
  if (old.isEqualNode(now)) return;
  if (old.nodeName !== now.nodeName) return old.replaceWith(now);
  if (old.nodeType === 3) { old.data = now.data; return; }
  const own = old.nodeName === "DETAILS" ? "open" : "";
  for (const {name} of [...old.attributes]) if (name !== own && !now.hasAttribute(name)) old.removeAttribute(name);
  for (const {name, value} of now.attributes) if (name !== own) old.setAttribute(name, value);
  const before = [...old.childNodes], after = [...now.childNodes];
  after.forEach((each, at) => before[at] ? morph(before[at], each) : old.append(each));
  before.slice(after.length).forEach(each => each.remove());
}

function look() {
  for (const each of document.querySelectorAll("[data-good]")) {
    if (age() < each.dataset.good) continue;
    each.textContent = "stale";
    each.className = "stale";
    delete each.dataset.good;
  }
  const top = document.querySelector(".verdict");
  if (age() < LOST || top.classList.contains("lost")) return;
  top.className = "verdict lost";
  top.querySelector("h1").textContent = "No answer from softsplit since " + at.toLocaleTimeString();
  top.querySelector("p").textContent = "This page shows nothing new until it answers again.";
}

async function update() {
  const start = performance.now(), clock = Date.now();
  try {
    const answer = await fetch(location.pathname, {cache: "no-store", signal: AbortSignal.timeout(5000)});
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!answer.ok || !page.querySelector(".verdict")) throw new Error();
    document.title = page.title;
    page.querySelector("script").remove();
    const script = document.querySelector("body > script");
    script.remove();
    morph(document.body, page.body);
    document.body.append(script);
    [asked, wall, at] = [start, clock, new Date()];
  } catch { /* look() tells */ }
  look();
  plan();
}

function plan() {
  const good = [...document.querySelectorAll("[data-good]")].map(each => 500 * each.dataset.good);
  setTimeout(update, Math.max(SOONEST, Math.min(EVERY, ...good)));
}

setInterval(look, 250);
document.addEventListener("visibilitychange", look);
window.addEventListener("pageshow", look);
plan();
})();
