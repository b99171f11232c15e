import type { PausedMachine } from '@strongroom/paravisor/expected'
import type { Qmp } from './qmp.ts'

/** QEMU answers in text, four times as long. */
const readBytes = 2 ** 18

/** State and memory of a QEMU that has not run, for the paravisor to judge. */
export const pausedMachine = (qmp: Pick<Qmp, 'execute'>): PausedMachine => ({
  status: async () => String(((await qmp.execute('query-status')) as { status?: unknown }).status),
  read: async (address, bytes) => {
    const memory = Buffer.alloc(bytes)
    for (let at = 0; at < bytes; at += readBytes) {
      const words = Math.min(readBytes, bytes - at) / 8
      const command = `xp /${words}gx 0x${(address + at).toString(16)}`
      const text = String(await qmp.execute('human-monitor-command', { 'command-line': command }))
      let offset = at
      for (const [, word] of text.matchAll(/ 0x([0-9a-f]{16})\b/g))
        offset = memory.writeBigUInt64LE(BigInt(`0x${word}`), offset)
    }
    return memory
  },
})
