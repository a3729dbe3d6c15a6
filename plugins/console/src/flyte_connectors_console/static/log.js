/* The lines of a log: the last ones, and others on demand. Whatever a job printed is text. */
"use strict";

const LINES_KEPT = 2000;  // about 20 KiB of memory each
const ESCAPES = /\x1b\[[0-9;?]*[A-Za-z]/g;  // colours and cursor moves of terminals

class LogView {
  constructor(element, earlier) {
    this.element = element;
    this.earlier = earlier;
    this.first = 0;
    this.next = null;
    this.follows = true;
    element.addEventListener("scroll", () => this.scrolled());
  }

  /* New lines at the end; whatever was missed in between is said. */
  append(first, lines) {
    if (!lines.length) return;
    document.getElementById("log-empty")?.remove();
    if (this.next === null) this.first = first;
    const part = document.createDocumentFragment();
    if (this.next !== null && first > this.next) part.append(gap(this.next, first));
    lines.forEach((line, index) => part.append(lineElement(first + index, line)));
    this.element.append(part);
    this.next = first + lines.length;
    while (this.element.childElementCount > LINES_KEPT && this.follows) {
      this.element.firstElementChild.remove();
      this.first = Number(this.element.querySelector(".line").dataset.number);
    }
    this.earlier.hidden = this.first === 0;
    if (this.follows) this.toEnd();
  }

  prepend(first, lines) {
    const before = this.element.scrollHeight;
    this.element.prepend(...lines.map((line, index) => lineElement(first + index, line)));
    this.first = first;
    this.earlier.hidden = first === 0;
    this.element.scrollTop += this.element.scrollHeight - before;
  }

  /* Show other lines instead. */
  replace(first, lines) {
    this.element.replaceChildren(...lines.map((line, index) => lineElement(first + index, line)));
    this.first = first;
    this.next = first + lines.length;
    this.earlier.hidden = first === 0;
  }

  mark(number) {
    this.element.querySelector(".hit")?.classList.remove("hit");
    const line = this.element.querySelector(`[data-number="${number}"]`);
    line?.classList.add("hit");
    line?.scrollIntoView({ block: "center" });
  }

  toEnd() {
    this.moved = true;
    this.element.scrollTop = this.element.scrollHeight;
  }

  scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < 12;
    if (this.moved) { this.moved = false; return; }
    if (isAtEnd !== this.follows) this.onfollow?.(isAtEnd);
  }
}

function lineElement(number, [milliseconds, source, text]) {
  const line = document.createElement("div");
  line.className = `line${["", " err", " sys"][source] ?? ""}`;
  line.dataset.number = number;
  const at = document.createElement("span");
  at.className = "at";
  if (milliseconds) {
    const moment = new Date(milliseconds);
    at.textContent = `${moment.toLocaleTimeString("en-GB")}.${String(moment.getMilliseconds()).padStart(3, "0")}`;
  }
  const body = document.createElement("span");
  if (source === 1) {
    const tag = document.createElement("span");
    tag.className = "tag";
    tag.textContent = "stderr";
    body.append(tag);
  }
  body.append(text.replace(ESCAPES, ""));
  line.append(at, body);
  return line;
}

function gap(from, to) {
  const element = document.createElement("div");
  element.className = "gap";
  element.textContent = `${(to - from).toLocaleString("en")} lines between were skipped; the download has them`;
  return element;
}
