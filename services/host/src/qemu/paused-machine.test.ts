import { describe, expect, it } from 'vitest'
import { pausedMachine } from './paused-machine.ts'

const memory = Buffer.from(Uint8Array.from({ length: 2 ** 18 + 2 ** 12 }, (_, index) => (index * 7) ^ (index >> 8)))
const begins = 2 ** 32 - memory.length

/** A QEMU that prints its memory as `xp` does, at most as much at once as one that answers in text can. */
const paused = pausedMachine({
  execute: async (command, args) => {
    if (command === 'query-status') return await Promise.resolve({ status: 'prelaunch', running: false })
    const [, words, address] = /^xp \/(\d+)gx 0x([0-9a-f]+)$/.exec(String(args?.['command-line'])) ?? []
    const at = Number.parseInt(address!, 16)
    if (Number(words) > 2 ** 15) throw new TypeError('the answer would be too long')
    return Array.from({ length: Number(words) }, (_, index) => {
      const value = memory.readBigUInt64LE(at - begins + index * 8).toString(16)
      const word = `0x${value.padStart(16, '0')}`
      return index % 2 === 0 ? `${(at + index * 8).toString(16).padStart(16, '0')}: ${word}` : ` ${word}\r\n`
    }).join('')
  },
})

describe('a QEMU that has not run', () => {
  it('shows its state and its memory, byte for byte', async () => {
    expect(await paused.status()).toBe('prelaunch')
    expect(await paused.read(begins, memory.length)).toEqual(memory)
    expect(await paused.read(begins + 2 ** 18 - 8, 16)).toEqual(memory.subarray(2 ** 18 - 8, 2 ** 18 + 8))
  })
})
