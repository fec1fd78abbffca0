/* live.ts - one answer while it grows.
 *
 *   waiting ─► reading ─► thinking ─► answering ─► (done: taken out of `lives`)
 *      (queue)   (prompt)     └── answer now ──┘
 *
 * Text is added to the message itself; `rev` goes up with each piece, so that views and the
 * store can follow at their own pace. However it ends, what came stays.
 */
import { signal } from '@preact/signals';
import type { Conversation, Message } from '../store/conv.ts';
import { ApiError, ConnectionLost } from '../wire/http.ts';
import { endThinking, streamChat, type ChatEvent, type Progress } from '../wire/chat.ts';

export type Phase = 'waiting' | 'reading' | 'thinking' | 'answering';

export class Live {
  readonly phase = signal<Phase>('waiting');
  readonly progress = signal<Progress | null>(null);
  readonly rev = signal(0);
  readonly abort = new AbortController();
  readonly from = performance.now();
  readonly ending = signal(false); // "answer now" was asked for
  thinkingFrom = 0;
  firstTokenAt = 0;
  pieces = 0;
  private readonly thoughtBefore: number;

  constructor(readonly conv: Conversation, readonly message: Message) {
    this.thoughtBefore = message.thinking_ms ?? 0;
  }

  async run(body: object): Promise<void> {
    const m = this.message;
    delete m.error;
    delete m.finish;
    try {
      for await (const e of streamChat(body, this.abort.signal)) this.take(e);
      m.finish ??= 'stop';
    } catch (e) {
      this.failed(e);
    } finally {
      this.endThought();
    }
  }

  stop(): void {
    this.abort.abort();
  }

  async answerNow(): Promise<void> {
    const id = this.message.completion;
    if (!id || this.ending.value) return;
    this.ending.value = true;
    try {
      await endThinking(id);
    } catch {
      this.ending.value = false; // the answer may have begun meanwhile, or the server cannot
    }
  }

  /** Pieces per second so far; the server's own figure replaces it at the end. */
  speed(): number {
    const s = (performance.now() - this.firstTokenAt) / 1000;
    return this.firstTokenAt && s > 0.5 ? this.pieces / s : 0;
  }

  private take(e: ChatEvent): void {
    const m = this.message;
    switch (e.kind) {
      case 'start':
        m.completion = e.id;
        if (e.model) m.model = e.model;
        return;
      case 'progress':
        this.phase.value = 'reading';
        this.progress.value = e.progress;
        return;
      case 'reasoning':
        if (this.phase.value !== 'thinking') this.thinkingFrom = performance.now();
        this.phase.value = 'thinking';
        m.reasoning = (m.reasoning ?? '') + e.text;
        break;
      case 'content':
        this.endThought();
        this.phase.value = 'answering';
        m.content += e.text;
        break;
      case 'finish':
        m.finish = e.reason;
        return;
      case 'timings':
        m.timings = e.timings;
        // the server's clock: here a short thought may have come in one piece
        if (e.timings.reasoning_ms) m.thinking_ms = Math.round(this.thoughtBefore + e.timings.reasoning_ms);
        return;
      case 'usage':
        m.usage = e.usage;
        return;
    }
    this.pieces++;
    this.firstTokenAt ||= performance.now();
    this.rev.value++;
  }

  private endThought(): void {
    if (!this.thinkingFrom) return;
    this.message.thinking_ms = Math.round(this.thoughtBefore + performance.now() - this.thinkingFrom);
    this.thinkingFrom = 0;
  }

  private failed(e: unknown): void {
    const m = this.message;
    if (this.abort.signal.aborted) m.finish = 'stopped';
    else if (e instanceof ConnectionLost) m.finish = 'interrupted';
    else {
      m.finish = 'error';
      m.error = e instanceof ApiError ? e.message : String(e);
    }
  }
}
