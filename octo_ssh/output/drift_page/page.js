"use strict";
// The page is whole without this: it only narrows what is shown, and opens what a link leads to.
const box = document.getElementById("find");
box.hidden = false;
box.querySelector("input").addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  const holds = (item) => item.textContent.toLowerCase().includes(wanted);
  for (const item of document.querySelectorAll("[data-find]")) item.hidden = !holds(item);
  for (const row of document.querySelectorAll("[data-row]")) {
    const link = row.querySelector("a");
    row.hidden = !holds(row.cells[0]) && !(link && holds(document.getElementById(link.hash.slice(1))));
  }
});
const open = () => {
  const there = document.getElementById(location.hash.slice(1));
  for (let box = there; box; box = box.parentElement) {
    if (box.tagName === "DETAILS") box.open = true;
  }
  if (there) there.scrollIntoView();
};
addEventListener("hashchange", open);
open();
