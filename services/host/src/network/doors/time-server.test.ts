import { mkdtemp, rm, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { answerTime, startTimeServer } from './time-server.ts'

const now = new Date('2026-11-25T12:00:00.500Z')

function request(firstByte = 0x23): Uint8Array {
  const packet = new Uint8Array(48)
  packet[0] = firstByte
  packet.set([1, 2, 3, 4, 5, 6, 7, 8], 40)
  return packet
}

describe('the time server of a guest', () => {
  let folder: string
  let server: { close(): Promise<void> }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'strongroom-time-'))
    server = await startTimeServer({ socket: join(folder, 'time'), now: () => now })
  })

  afterEach(async () => {
    await server.close()
    await rm(folder, { recursive: true })
  })

  async function ask(bytes: Uint8Array): Promise<Buffer> {
    const chunks: Buffer[] = []
    const socket = connect(join(folder, 'time'))
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.write(bytes)
    await new Promise<void>((done) => socket.once('close', () => done()))
    return Buffer.concat(chunks)
  }

  it('answers a packet with the time of the host, to the client that asked', async () => {
    const answer = await ask(request())
    expect(answer).toHaveLength(48)
    expect(answer[0]).toBe((4 << 3) | 4)
    expect(answer.subarray(24, 32)).toEqual(Buffer.from([1, 2, 3, 4, 5, 6, 7, 8]))
    const seconds = answer.readUInt32BE(40) - 2_208_988_800 + answer.readUInt32BE(44) / 2 ** 32
    expect(seconds).toBe(now.getTime() / 1000)
  })

  it.each([
    ["a server's packet", 0x24],
    ['version 2', 0x13],
    ['a control message', 0x26],
  ])('does not answer %s', async (_what, firstByte) => {
    expect(await ask(request(firstByte))).toHaveLength(0)
  })

  it('does not claim to be in step with UTC: the stratum is that of a clock on its own', () => {
    expect(answerTime(request(), now)?.[1]).toBe(10)
  })

  it('keeps other users of the host out', async () => {
    expect((await stat(join(folder, 'time'))).mode & 0o777).toBe(0o600)
  })
})
