/* lazy.tsx - a part of the page whose file is fetched when it is first shown. */
import { useEffect, useState } from 'preact/hooks';
import type { ComponentType, JSX } from 'preact';

export function lazy<P extends object>(get: () => Promise<ComponentType<P>>): (props: P) => JSX.Element | null {
  let found: ComponentType<P> | null = null;
  return function Lazy(props: P) {
    const [C, set] = useState<ComponentType<P> | null>(() => found);
    useEffect(() => {
      if (!C) void get().then((c) => set(() => (found = c)), () => undefined);
    }, [C]);
    return C ? <C {...props} /> : null;
  };
}
