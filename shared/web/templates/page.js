// While something is being asked for, its button says so and takes no second click. All works without this as well.
addEventListener("submit", (event) => {
  // A search that is already shown is not sent again: nothing would come that ends the wait.
  if (event.target.method !== "post") return;
  const button = event.submitter ?? event.target.querySelector("button");
  event.target.setAttribute("aria-busy", "true");
  // A button that is disabled is not sent along, so that comes after.
  setTimeout(() => {
    button.dataset.says = button.innerHTML;
    button.textContent = "Working …";
    button.disabled = true;
  });
});
// Whoever comes back finds the page as it was.
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button[data-says]")) {
    button.disabled = false;
    button.innerHTML = button.dataset.says;
    delete button.dataset.says;
    button.form.removeAttribute("aria-busy");
  }
});
