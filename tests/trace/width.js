// What stands out at the right of a body as narrow as a phone.

for (const details of document.querySelectorAll("details")) details.open = true;
for (const entry of cards.values()) { entry.fill(); for (const map of entry.maps) map.draw(); }
document.body.style.width = "390px";
const isSeen = (part) => getComputedStyle(part).display !== "none" && !part.closest(".scroll, .skip, #inspector");
const over = [...document.querySelectorAll("body *")].filter((part) => part.getBoundingClientRect().right > 391 && isSeen(part));
finish({ over: over.slice(0, 5).map((part) => `${part.tagName} ${part.className} ${part.textContent.slice(0, 40)}`) });
