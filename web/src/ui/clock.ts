/* clock.ts - draws a component again twice a second, for what shows passing time. */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

export function useClock(on: boolean): void {
  const tick = useSignal(0);
  tick.value;
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => tick.value++, 500);
    return () => clearInterval(timer);
  }, [on]);
}
