import { expect } from 'vitest'
import { freePorts } from '../../apps/cli/src/embed/ports.ts'
import { imageNameOf } from '../../scripts/build-container.ts'
import { node, services } from '../../scripts/container-kinds.ts'
import type { Engine } from './engine.ts'

const image = imageNameOf(services)
const settings = ['--read-only', '--cap-drop', 'all', '--network', 'host']

/** On an idle two-core machine, a container without guests is ready in 3 s; one that only starts Node takes 0.4 to 0.6 s. */
export const mostNodes = 10

/** Starts a container of the image without guests, and waits until it answers. @returns its id */
export async function startContainer(engine: Engine): Promise<string> {
  const [tls, local] = await freePorts(2)
  const ports = ['--compute', 'simulated', '--port', String(tls), '--local-port', String(local)]
  const id = engine.must('run', '--detach', ...settings, image, ...ports)
  const isReady = async (): Promise<boolean> =>
    await fetch(`http://127.0.0.1:${local}/ready`).then(
      ({ ok }) => ok,
      () => false,
    )
  // For the first container of an image, podman changes the owner of every file, which takes over a minute on a busy machine.
  await expect.poll(isReady, { interval: 20, timeout: 300_000 }).toBe(true)
  return id
}

/** Time until the container answers, as a multiple of a container that starts and ends Node: the least of up to three tries. */
export async function nodesUntilReady(engine: Engine): Promise<number> {
  const took: { bare: number; ready: number }[] = []
  // Other load on the machine slows some starts more than others.
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
