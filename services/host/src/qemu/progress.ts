/** At the start of each of the kernel's lines: the time since its start, in seconds. */
const kernelLine = /^\[ *\d+\.\d{6}\]/
/** The kernel's own detectors (Documentation/RCU/stallwarn.rst, admin-guide/lockup-watchdogs.rst; kernel/hung_task.c). */
const stall =
  /rcu: INFO: |rcu_\w+ kthread (?:starved|timer wakeup)|BUG: soft lockup|BUG: workqueue lockup|blocked for more than \d+ seconds/
/** Longer lines are judged by their start. */
const mostOfLine = 256

/**
 * How much a guest's console has said that shows progress, in bytes. A guest whose programs no longer run may still
 * have a kernel that reports this every minute: once it does, only lines of others count.
 */
export class ConsoleProgress {
  #bytes = 0
  /** The start of the line so far, and its whole length. */
  #line = ''
  #length = 0
  #hasStalled = false

  take(text: string): void {
    const [first = '', ...rest] = text.split(/[\r\n]/)
    this.#add(first)
    for (const part of rest) {
      this.#end()
      this.#add(part)
    }
  }

  /** With the line that has no end yet, unless it is the kernel's. */
  get bytes(): number {
    return this.#bytes + this.#counted()
  }

  #add(part: string): void {
    this.#line = (this.#line + part).slice(0, mostOfLine)
    this.#length += part.length
  }

  #end(): void {
    this.#hasStalled ||= kernelLine.test(this.#line) && stall.test(this.#line)
    this.#bytes += this.#counted()
    this.#line = ''
    this.#length = 0
  }

  #counted(): number {
    return this.#hasStalled && kernelLine.test(this.#line) ? 0 : this.#length
  }
}
