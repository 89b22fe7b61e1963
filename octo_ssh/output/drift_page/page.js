"use strict";
// The page is whole without this: it only narrows what is shown, and opens what a link leads to.
const box = document.getElementById("find");
box.hidden = false;
box.querySelector("input").addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  for (const item of document.querySelectorAll("[data-find]")) {
    item.hidden = !item.textContent.toLowerCase().includes(wanted);
  }
  for (const row of document.querySelectorAll("[data-row]")) {
    row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
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
