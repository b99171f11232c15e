import { randomUUID } from 'node:crypto'
import { ServiceError } from '@strongroom/platform'
import { checkObjectName, folded } from '../core/names.ts'
import type { App, Request } from './admission.ts'
import { admitHsmChange, admitToHsm, pendingUrl, type HsmAppParts } from './hsm-admission.ts'

/** Full backup and restore of a managed HSM. The work is done before the answer; polling finds it finished. */
export function addHsmBackupRoutes(app: App, parts: HsmAppParts): void {
  const { fullBackups, hsmRepository } = parts

  /** Keeps the job's result for polling. */
  const finished = async (
    hsm: string,
    kind: 'backup' | 'restore',
    from: Date,
    more: object,
  ): Promise<{ jobId: string }> => {
    const seconds = (date: Date): number => Math.floor(date.getTime() / 1000)
    const status = {
      status: 'Succeeded',
      statusDetails: '',
      error: null,
      startTime: seconds(from),
      endTime: seconds(new Date()),
      jobId: randomUUID().replaceAll('-', ''),
      ...more,
    }
    await hsmRepository.keepJob({ hsm, id: status.jobId, kind, status: JSON.stringify(status) })
    return status
  }

  const restored = (request: Request, key?: string): Promise<{ jobId: string }> =>
    admitHsmChange(parts, request, { action: 'restore/start/action' }, async ({ name }) => {
      const from = new Date()
      await fullBackups.restore(request.caller, name, request.body, key)
      return finished(name, 'restore', from, {})
    })

  app.post('/backup', async (request, reply) => {
    const job = await admitHsmChange(parts, request, { action: 'backup/start/action' }, async ({ name }) => {
      const from = new Date()
      const azureStorageBlobContainerUri = await fullBackups.backup(request.caller, name, request.body)
      return finished(name, 'backup', from, { azureStorageBlobContainerUri })
    })
    return reply
      .code(202)
      .header('azure-asyncoperation', await pendingUrl(parts, request, `/backup/${job.jobId}`))
      .send(job)
  })

  app.put('/restore', async (request, reply) => {
    const job = await restored(request)
    return reply
      .code(202)
      .header('azure-asyncoperation', await pendingUrl(parts, request, `/restore/${job.jobId}`))
      .send(job)
  })

  app.put('/keys/:name/restore', async (request, reply) => {
    const key = folded(checkObjectName((request.params as { name: string }).name))
    const job = await restored(request, key)
    return reply
      .code(202)
      .header('azure-asyncoperation', await pendingUrl(parts, request, `/restore/${job.jobId}`))
      .send(job)
  })

  for (const kind of ['backup', 'restore'] as const) {
    app.get(`/${kind}/:jobId/pending`, async (request) => {
      const { name } = await admitToHsm(parts, request, { action: `${kind}/status/action` })
      const { jobId } = request.params as { jobId: string }
      const job = await hsmRepository.job(name, jobId)
      if (job?.kind === kind) return JSON.parse(job.status) as object
      throw new ServiceError({
        code: 'JobNotFound',
        message: `This managed HSM has no such ${kind}.`,
        target: 'jobId',
        remedy: 'Use the address from the response that started the job.',
      })
    })
  }
}
