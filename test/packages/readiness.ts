import { expect } from 'vitest'
import { freePorts } from '../../apps/cli/src/embed/ports.ts'
import { imageNameOf } from '../../scripts/build-container.ts'
import { node, services } from '../../scripts/container-kinds.ts'
import type { Engine } from './engine.ts'

const image = imageNameOf(services)
const settings = ['--read-only', '--cap-drop', 'all', '--network', 'host']

/** A container without guests is ready in 3 s on an idle machine of two cores, where one with Node alone takes 0.4 to 0.6 s. */
export const mostNodes = 10

/** Starts a container of the image without guests, and waits until it answers. @returns its id */
export async function startContainer(engine: Engine): Promise<string> {
  const [tls, local] = await freePorts(2)
  const ports = ['--compute', 'simulated', '--port', String(tls), '--local-port', String(local)]
  const id = engine.must('run', '--detach', ...settings, image, ...ports)
  const isReady = async (): Promise<boolean> =>
    await fetch(`http://127.0.0.1:${local}/ready`).then(({ ok }) => ok, () => false) // prettier-ignore
  // The first container of an image has its files given to the user's ids, which takes a busy machine more than a minute.
  await expect.poll(isReady, { interval: 20, timeout: 300_000 }).toBe(true)
  return id
}

/** How many times as long as a container that starts Node and ends one takes until it answers: the least of at most three tries. */
export async function nodesUntilReady(engine: Engine): Promise<number> {
  const took: { bare: number; ready: number }[] = []
  // What else this machine does takes from one start more than from another.
  while (took.length < 3 && !took.some(({ bare, ready }) => ready < mostNodes * bare)) {
    const begun = performance.now()
    engine.must('run', '--rm', ...settings, '--entrypoint', node, image, '--eval', '')
    const bare = performance.now() - begun
    const id = await startContainer(engine)
    took.push({ bare, ready: performance.now() - begun - bare })
    engine.must('rm', '--force', '--volumes', '--time', '5', id)
  }
  process.stderr.write(`milliseconds until ready: ${JSON.stringify(took)}\n`)
  return Math.min(...took.map(({ bare, ready }) => ready / bare))
}
