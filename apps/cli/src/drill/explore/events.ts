import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Host } from '../host/host.ts'
import { newDevice } from './arguments.ts'
import type { Choices } from './choices.ts'
import { ControlChannel } from './control-channel.ts'
import type { Mutation } from './mutation.ts'
import type { QemuHelp } from './qemu-help.ts'

/** Commands of QEMU's that need no arguments, as `first then second`. */
const commands = [
  'system_reset',
  'system_powerdown',
  'stop then cont',
  'inject-nmi',
  'quit',
  'system_wakeup',
  'rtc-reset-reinjection',
]
/** Signals to processes that run for the VM. */
const signals = ['end the machine', 'end the TPM', 'end the server', 'suspend the machine']
const pauseMs = 5_000

/** Something that happens while the VM boots, or soon after. */
export async function drawEvent(choices: Choices, help: QemuHelp): Promise<Mutation> {
  const place = choices.place() * 1.2
  const at = { kind: 'events', operation: 'at', place: Math.round(place * 1000) / 1000 } as const
  if (choices.chance(0.25)) return { ...at, target: 'device_add', value: await newDevice(choices, help) }
  if (choices.chance(0.1))
    return { ...at, target: 'device_del', value: `/machine/peripheral-anon/device[${choices.below(5)}]` }
  return { ...at, target: choices.pick([...commands, ...signals]) }
}

/** `MODEL,key=value` as QMP has it: numbers and switches have their own types. */
export function deviceArguments(text: string): Record<string, unknown> {
  const [driver, ...parts] = text.split(',')
  const typed = (value: string): unknown =>
    value === 'on' || value === 'off' ? value === 'on' : /^-?\d+$/.test(value) ? Number(value) : value
  return Object.fromEntries([
    ['driver', driver],
    ...parts.map((part) => [part.split('=')[0]!, typed(part.slice(part.indexOf('=') + 1))]),
  ])
}

/** What an event of a life does once the machine is on. */
export interface Happening {
  /** Ends the wait. */
  cancel(): void
  /** What came of it: it happened, was refused, or never got its moment. */
  done: Promise<string>
}

/** Gives QEMU one more control channel, and waits for the moment. @param bootSeconds of the control boot */
export async function plan(host: Host, mutation: Mutation, bootSeconds: number): Promise<Happening> {
  const socket = await host.file('control')
  host.qemu.add('-chardev', `socket,id=drill-control,path=${socket},server=on,wait=off`)
  host.qemu.add('-mon', 'chardev=drill-control,mode=control')
  const ended = new AbortController()
  const happen = async (): Promise<string> => {
    const channel = await ControlChannel.open(socket, ended.signal)
    if (channel === undefined) return 'the machine never ran'
    try {
      await sleep((mutation.place ?? 0) * bootSeconds * 1000, undefined, { signal: ended.signal })
      return await act(host, channel, mutation)
    } finally {
      channel.close()
    }
  }
  const done = happen().catch((error: unknown) =>
    ended.signal.aborted ? 'the boot ended before' : (error as Error).message,
  )
  return { cancel: () => ended.abort(), done }
}

async function act(host: Host, channel: ControlChannel, { target, value = '' }: Mutation): Promise<string> {
  if (signals.includes(target)) return await signal(host, target)
  if (target === 'device_add')
    return (await channel.execute(target, { ...deviceArguments(value), id: 'drill' })) ?? 'done'
  if (target === 'device_del') return (await channel.execute(target, { id: value })) ?? 'done'
  for (const [index, command] of target.split(' then ').entries()) {
    if (index > 0) await sleep(pauseMs)
    const refusal = await channel.execute(command)
    if (refusal !== undefined) return refusal
  }
  return 'done'
}

async function signal(host: Host, target: string): Promise<string> {
  const machine = await host.qemu.pid()
  const server = await host.serverPid()
  const pid =
    target === 'end the server' ? server : target === 'end the TPM' ? await descendantNamed(server, 'swtpm') : machine
  if (pid === undefined) return 'there is no such process'
  if (target !== 'suspend the machine') return end(pid, 'SIGKILL')
  end(pid, 'SIGSTOP')
  await sleep(pauseMs)
  return end(pid, 'SIGCONT')
}

function end(pid: number, name: NodeJS.Signals): string {
  try {
    process.kill(pid, name)
    return 'done'
  } catch {
    return 'the process was gone'
  }
}

/** Processes below another one, by number. */
export async function descendantsOf(root: number): Promise<number[]> {
  const parents = new Map<number, number>()
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const stat = await readFile(`/proc/${name}/stat`, 'latin1').catch(() => '')
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
    if (stat !== '') parents.set(Number(name), parent)
  }
  const found: number[] = []
  for (let next = [root]; next.length > 0;) {
    next = [...parents].filter(([, parent]) => next.includes(parent)).map(([pid]) => pid)
    found.push(...next)
  }
  return found
}

async function descendantNamed(root: number | undefined, name: string): Promise<number | undefined> {
  for (const pid of root === undefined ? [] : await descendantsOf(root))
    if ((await readFile(`/proc/${pid}/comm`, 'latin1').catch(() => '')).startsWith(name)) return pid
  return undefined
}
