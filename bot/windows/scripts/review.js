// Keys of the review window. A key presses the visible button of its name; in a text only Ctrl+Enter and Escape do something.
() => {
  const visible = (id) => {
    const element = document.getElementById(id);
    const button = element?.matches('button') ? element : element?.querySelector('button');
    return button && button.offsetParent !== null ? button : null;
  };
  const press = (...ids) => ids.map(visible).find(Boolean)?.click();
  const keys = {
    a: ['approve'],
    r: ['reject'],
    n: ['skip-pair', 'skip-turn', 'new-macro'],
    b: ['back-turn'],
  };
  document.addEventListener('keydown', (event) => {
    const writing = event.target.closest('textarea, input, [contenteditable]');
    if (event.isComposing || event.altKey) return;
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      press('approve', 'publish', 'save-macro');
      event.preventDefault();
    } else if (writing) {
      if (event.key === 'Escape') writing.blur();
    } else if (!event.ctrlKey && !event.metaKey) {
      const key = event.key.toLowerCase();
      const digit = /^Digit([1-9])$/.exec(event.code)?.[1];
      const label = digit && document.querySelector(`#labels [data-key="${digit}"]`);
      if (label && label.offsetParent !== null) {
        label.dispatchEvent(new MouseEvent('click', {bubbles: true, shiftKey: event.shiftKey}));
      } else if (key === 'e') {
        [...document.querySelectorAll('#pair-answer textarea, #new-answer textarea')].find((each) => each.offsetParent)?.focus();
        event.preventDefault();
      } else if (keys[key]) {
        press(...keys[key]);
      }
    }
  });
  // Capturing, so that Gradio's own listener does not see what was not meant.
  document.addEventListener('click', (event) => {
    const sure = document.querySelector('#slots [data-confirm]')?.dataset.confirm;
    if (event.target.closest('#remove-macro') && sure && !window.confirm(sure)) {
      event.stopImmediatePropagation();
      event.preventDefault();
    }
  }, true);
}
