/* sse.ts - server-sent events out of a stream of bytes.
 *
 * The parser takes chunks cut anywhere, inside a line end or a UTF-8 character too, and gives
 * back whole events. Comments (keep-alives) give nothing. An event that the stream's end cuts off
 * is dropped, as the standard says.
 * Source: WHATWG HTML, section 9.2.6 (interpreting an event stream).
 */
export interface SseEvent {
  event: string;
  data: string;
}

export class SseParser {
  private readonly utf8 = new TextDecoder();
  private line = '';
  private afterCr = false;
  private event = '';
  private data: string[] = [];

  push(bytes: Uint8Array): SseEvent[] {
    const text = this.utf8.decode(bytes, { stream: true });
    const out: SseEvent[] = [];
    let from = 0;
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (this.afterCr) {
        this.afterCr = false;
        if (c === 10) {
          from = i + 1;
          continue;
        }
      }
      if (c !== 10 && c !== 13) continue;
      this.afterCr = c === 13;
      this.take(this.line + text.slice(from, i), out);
      this.line = '';
      from = i + 1;
    }
    this.line += text.slice(from);
    return out;
  }

  private take(line: string, out: SseEvent[]): void {
    if (line === '') {
      if (this.data.length > 0) {
        out.push({ event: this.event || 'message', data: this.data.join('\n') });
      }
      this.event = '';
      this.data = [];
      return;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (field === 'data') this.data.push(value);
    else if (field === 'event') this.event = value;
  }
}

const SLICE_MS = 8;

/** Events of a response body, one after the other. Leaving the loop cancels the body. When much
 * has arrived at once the page gets its turn in between: reads that are answered at once would
 * otherwise never let go. */
export async function* sseEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<SseEvent> {
  const parser = new SseParser();
  const reader = body.getReader();
  let from = performance.now();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const e of parser.push(value)) {
        yield e;
        if (performance.now() - from < SLICE_MS) continue;
        await new Promise((r) => setTimeout(r));
        from = performance.now();
      }
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
