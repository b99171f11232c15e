import type { ChildProcess } from 'node:child_process'
import { readFile } from 'node:fs/promises'

/** Linux counts in hundredths of a second, on every architecture. */
const ticksPerSecond = 100

/** User and system time of a process, in seconds. */
export async function processorSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

export async function residentMebibytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024
}

/** The next message of a process, which must not end before it. */
export async function answerOf<T>(child: ChildProcess): Promise<T> {
  return await new Promise((done, fail) => {
    const ended = (code: number | null): void => fail(new Error(`the service ended with ${String(code)}`))
    child.once('exit', ended)
    child.once('message', (message) => {
      child.off('exit', ended)
      done(message as T)
    })
  })
}

export async function ask<T>(child: ChildProcess, question: object): Promise<T> {
  child.send(question)
  return answerOf<T>(child)
}

/** Has a process end by itself, and waits for it. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((done) => child.once('exit', done))
  child.send({ ask: 'end' })
  await ended
}
