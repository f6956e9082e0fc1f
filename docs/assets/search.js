// Lunr takes a leading hyphen as "pages without this word": a search for --workers would find nothing.
document.addEventListener(
  "input",
  (event) => {
    const field = event.target;
    if (field.matches("[data-md-component=search-query]")) {
      const words = field.value.replace(/(^|\s)-+/g, "$1");
      if (words !== field.value) field.value = words;
    }
  },
  true,
);
