import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Below the ports that Linux (32768 up) and macOS (49152 up) use for outgoing connections. */
const range = [20_000, 32_767] as const
const attempts = 100

/**
 * An unused port on 127.0.0.1: `preferred` if it is free, so that a VM keeps its SSH port. The caller binds it later,
 * so it is outside the range that the system uses for outgoing connections.
 */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await isFree(preferred))) return preferred
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = randomInt(range[0], range[1] + 1)
    if (await isFree(port)) return port
  }
  throw new Error(`no free port on 127.0.0.1 among ${attempts} between ${range[0]} and ${range[1]}`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
