/* morph.ts - makes an element's children like those of a fresh fragment, touching only what
 * differs. The selection, the formulas and the scroll places of what stayed the same survive. */
export function morph(old: Node, fresh: Node): void {
  let a = old.firstChild;
  let b = fresh.firstChild;
  while (b) {
    const next: ChildNode | null = b.nextSibling;
    if (!a) {
      old.appendChild(b);
    } else {
      const after: ChildNode | null = a.nextSibling;
      if (!a.isEqualNode(b)) {
        if (a instanceof Text && b instanceof Text) grow(a, b.data);
        else if (alike(a, b)) morph(a, b);
        else old.replaceChild(b, a);
      }
      a = after;
    }
    b = next;
  }
  while (a) {
    const after: ChildNode | null = a.nextSibling;
    old.removeChild(a);
    a = after;
  }
}

function grow(node: Text, data: string): void {
  if (data.startsWith(node.data)) node.appendData(data.slice(node.data.length));
  else node.data = data;
}

const DEEP = new Set(['P', 'UL', 'OL', 'LI', 'BLOCKQUOTE', 'TABLE', 'TBODY', 'THEAD', 'TR', 'TD', 'TH', 'EM', 'STRONG', 'DIV']);

function alike(a: Node, b: Node): boolean {
  return a instanceof Element && b instanceof Element && a.tagName === b.tagName &&
    DEEP.has(a.tagName) && a.className === b.className && a.getAttribute('start') === b.getAttribute('start');
}
