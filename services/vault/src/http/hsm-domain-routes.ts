import type { App } from './admission.ts'
import { admitHsmChange, admitToHsm, pendingUrl, type HsmAppParts } from './hsm-admission.ts'

/** The security domain of a managed HSM. The work is done before the answer; polling finds it finished. */
export function addHsmDomainRoutes(app: App, parts: HsmAppParts): void {
  const { activation } = parts
  const done = { status: 'Success', status_details: '' }

  app.post('/securitydomain/download', async (request, reply) => {
    const value = await admitHsmChange(parts, request, { action: 'securitydomain/download/action' }, ({ name }) =>
      activation.download(request.caller, name, request.body),
    )
    const pending = await pendingUrl(parts, request, '/securitydomain/download')
    return reply.code(202).header('azure-asyncoperation', pending).send({ value })
  })

  app.get('/securitydomain/download/pending', async (request) => {
    const hsm = await admitToHsm(parts, request, { action: 'securitydomain/download/read' })
    return hsm.activated ? done : { status: 'InProgress', status_details: '' }
  })

  app.get('/securitydomain/upload', async (request) => {
    const { name } = await admitToHsm(parts, request, { action: 'securitydomain/transferkey/read' })
    return { key_format: 'jwk', transfer_key: await activation.transferKey(name) }
  })

  app.post('/securitydomain/upload', async (request, reply) => {
    await admitHsmChange(parts, request, { action: 'securitydomain/upload/action' }, ({ name }) =>
      activation.upload(request.caller, name, (request.body as { value?: unknown } | undefined)?.value),
    )
    const pending = await pendingUrl(parts, request, '/securitydomain/upload')
    return reply.code(202).header('azure-asyncoperation', pending).send(done)
  })

  app.get('/securitydomain/upload/pending', async (request) => {
    const hsm = await admitToHsm(parts, request, { action: 'securitydomain/upload/read' })
    return hsm.activated ? done : { status: 'InProgress', status_details: '' }
  })
}
