import { readdir, readFile } from 'node:fs/promises'

export interface SeenProcess {
  pid: number
  command: string
  cmdline: string
  environ: string
}

const read = async (path: string): Promise<string> => await readFile(path, 'latin1').catch(() => '')

/** Every readable process of this machine, with the NULs of its arguments replaced by blanks. */
export async function listProcesses(): Promise<SeenProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  return await Promise.all(
    pids.map(async (pid) => ({
      pid: Number(pid),
      command: (await read(`/proc/${pid}/comm`)).trim(),
      cmdline: (await read(`/proc/${pid}/cmdline`)).replaceAll('\0', ' '),
      environ: await read(`/proc/${pid}/environ`),
    })),
  )
}

/** QEMU and swtpm processes that belong to one installation or VM. */
export async function processesOf(mark: string): Promise<SeenProcess[]> {
  const wanted = mark.toLowerCase()
  return (await listProcesses()).filter(
    (each) => /^(qemu-system|swtpm)/.test(each.command) && each.cmdline.toLowerCase().includes(wanted),
  )
}

/** QEMU of a VM's guest. */
export const guestQemu = async (mark: string): Promise<SeenProcess | undefined> =>
  (await processesOf(mark)).find(({ command }) => command.startsWith('qemu'))
