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

/** User and system time of all ended children of this process and of theirs, in seconds. */
export async function endedChildrenSeconds(): Promise<number> {
  const stat = await readFile('/proc/self/stat', 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) / ticksPerSecond
}

export async function residentMebibytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024
}

/** The next message of a process; it is an error if the process ends first. */
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

/** Asks a process to end, and waits for it. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((done) => child.once('exit', done))
  child.send({ ask: 'end' })
  await ended
}

/** Waits for a server's report that it is ready. @throws if it is not */
export async function started(server: ChildProcess): Promise<void> {
  const message = await new Promise<{ type: string }>((done, fail) => {
    server.once('message', (value) => done(value as { type: string }))
    server.once('error', fail)
    server.once('exit', (code, signal) => fail(new Error(`the server ended before it was ready: ${code ?? signal}`)))
  })
  if (message.type !== 'ready') throw new Error(`the server did not start: ${JSON.stringify(message)}`)
}

/** Stops a server, and waits for it. */
export async function terminate(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const over = new Promise((done) => server.once('exit', done))
  server.kill('SIGTERM')
  await over
}
