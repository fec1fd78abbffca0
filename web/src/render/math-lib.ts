/* math-lib.ts - the lazily loaded file: Temml, and the style sheet that goes with it. */
import temml from 'temml';

declare const MATH_CSS: string; // its name, put in by the build

export { temml };

export function addStyle(): void {
  const link = document.createElement('link');
  link.rel = 'stylesheet';
  link.href = new URL(MATH_CSS, document.baseURI).href;
  document.head.append(link);
}
