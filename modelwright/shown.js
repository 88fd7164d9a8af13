(function () {
  var box = document.getElementById("search");
  var told = document.getElementById("found");
  var cards = Array.prototype.slice.call(document.querySelectorAll("[data-find]"));
  var texts = cards.map(function (card) { return card.textContent.toLowerCase(); });
  function look() {
    var words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    var n = 0;
    cards.forEach(function (card, at) {
      var here = words.every(function (word) { return texts[at].indexOf(word) >= 0; });
      card.hidden = !here;
      n += here ? 1 : 0;
    });
    told.textContent = words.length ? n + " of " + cards.length : "";
  }
  box.addEventListener("input", look);
  document.addEventListener("keydown", function (event) {
    if (event.key === "/" && document.activeElement !== box) { event.preventDefault(); box.focus(); }
  });
})();
