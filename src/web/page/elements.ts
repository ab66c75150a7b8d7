/** Making and finding elements. Texts are only ever set as texts: names are chosen by others. */

export function byId<T extends Element>(id: string, kind: new () => T): T {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`the page has no ${kind.name} ${id}`);
  return element;
}

type Attributes = Readonly<Record<string, string | number>>;
type Child = Element | string;

function fill<T extends Element>(element: T, attributes: Attributes, children: readonly Child[]): T {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

export const html = (name: string, attributes: Attributes = {}, ...children: readonly Child[]): HTMLElement =>
  fill(document.createElement(name), attributes, children);

export const svg = (name: string, attributes: Attributes = {}, ...children: readonly Child[]): SVGElement =>
  fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);

/** Changes a text only when it is another one: what a reader has selected stays. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Replaces the children when what they are made of has changed. */
export function renew(element: Element, key: string, make: () => readonly Child[]): void {
  if (element.getAttribute('data-key') === key) return;
  element.setAttribute('data-key', key);
  element.replaceChildren(...make());
}
