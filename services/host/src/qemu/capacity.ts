import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'

export interface Fitted {
  vCPUs: number
  memoryMiB: number
  notices: string[]
}

/** With less, the guest's kernel cannot unpack its initrd. */
const leastMemoryMiB = 1024
/** Left to the host and its other programs. */
const reserveMiB = 1024

/** The part of a size that the host can provide: at most its processors, and currently free memory. */
export async function fitToHost(size: { name: string; vCPUs: number; memoryMiB: number }): Promise<Fitted> {
  return fit({ size, processors: availableParallelism(), availableMiB: await availableMemoryMiB() })
}

export function fit(o: {
  size: { name: string; vCPUs: number; memoryMiB: number }
  processors: number
  availableMiB: number
}): Fitted {
  const { size } = o
  const notices: string[] = []
  const vCPUs = Math.max(1, Math.min(size.vCPUs, o.processors))
  if (vCPUs < size.vCPUs)
    notices.push(`${size.name} has ${size.vCPUs} vCPUs; this host has ${o.processors}, so the VM has ${vCPUs}.`)
  const bearable = Math.max(leastMemoryMiB, Math.floor((o.availableMiB - reserveMiB) / 2))
  const memoryMiB = Math.min(size.memoryMiB, bearable)
  if (memoryMiB < size.memoryMiB) {
    notices.push(
      `${size.name} has ${size.memoryMiB} MiB of memory; this host has ${o.availableMiB} MiB free, so the VM has ${memoryMiB} MiB.`,
    )
  }
  return { vCPUs, memoryMiB, notices }
}

/** MemAvailable, or what the control group leaves if that is less. */
async function availableMemoryMiB(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8')
  const host = Number(/^MemAvailable:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) / 1024
  const read = (name: string): Promise<number> =>
    readFile(`/sys/fs/cgroup/${name}`, 'utf8').then(Number, () => Number.NaN)
  const group = ((await read('memory.max')) - (await read('memory.current'))) / 1024 ** 2
  return Math.floor(Number.isFinite(group) ? Math.min(host, group) : host)
}
