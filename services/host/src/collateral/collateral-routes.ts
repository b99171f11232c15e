import { collateralChainHeaders } from '@strongroom/contract'
import { createHttpApp, ServiceError, type Logger } from '@strongroom/platform'
import type { Silicon } from '@strongroom/silicon'

type HttpApp = ReturnType<typeof createHttpApp>

const der = 'application/pkix-cert'
const crlType = 'application/pkix-crl'

/** What AMD's KDS and Intel's PCS would answer for this installation's processors. Anonymous, like theirs. */
export function createCollateralApp(o: { silicon: Silicon | undefined; logger: Logger }): HttpApp {
  const app = createHttpApp({ name: 'collateral', logger: o.logger })
  const { silicon } = o
  if (silicon === undefined) return app
  amdRoutes(app, silicon)
  intelRoutes(app, silicon)
  return app
}

function amdRoutes(app: HttpApp, { amd }: Silicon): void {
  const endorsementsFor = async (product: string): ReturnType<typeof amd.endorsements> => {
    const endorsements = await amd.endorsements()
    if (product.toLowerCase() === endorsements.product.toLowerCase()) return endorsements
    throw unknown('product', endorsements.product, product)
  }
  interface Product {
    Params: { product: string }
  }
  app.get<Product>('/vcek/v1/:product/cert_chain', async (request, reply) => {
    const { chainPem } = await endorsementsFor(request.params.product)
    return await reply.type('application/x-pem-file').send(chainPem)
  })
  app.get<Product>('/vcek/v1/:product/crl', async (request, reply) => {
    const { crl } = await endorsementsFor(request.params.product)
    return await reply.type(crlType).send(Buffer.from(crl))
  })
  interface Chip {
    Params: { product: string; hwid: string }
    Querystring: Record<string, string | undefined>
  }
  app.get<Chip>('/vcek/v1/:product/:hwid', async (request, reply) => {
    const { vcek, hardwareId, tcb } = await endorsementsFor(request.params.product)
    const id = Buffer.from(hardwareId).toString('hex')
    if (request.params.hwid.toLowerCase() !== id) throw unknown('hwid', id, request.params.hwid)
    const asked: [string, number][] = [
      ['blSPL', tcb.bootLoader],
      ['teeSPL', tcb.tee],
      ['snpSPL', tcb.snp],
      ['ucodeSPL', tcb.microcode],
    ]
    for (const [name, level] of asked) {
      const found = request.query[name] ?? '0'
      if (Number(found) !== level) throw unknown(name, String(level), found)
    }
    return await reply.type(der).send(Buffer.from(vcek))
  })
}

/** Paths of Intel’s Provisioning Certification Service 4. */
export function intelRoutes(app: HttpApp, { intel }: Silicon): void {
  const chain = (pem: string): string => encodeURIComponent(pem)
  app.get<{ Querystring: { fmspc?: string; update?: string } }>('/tdx/certification/v4/tcb', async (request, reply) => {
    const { tcbInfo, tcbInfoIssuerChainPem } = await intel.collateral()
    const { fmspc = '' } = (JSON.parse(tcbInfo) as { tcbInfo: { fmspc?: string } }).tcbInfo
    if (request.query.fmspc?.toLowerCase() !== fmspc.toLowerCase())
      throw unknown('fmspc', fmspc, request.query.fmspc ?? 'none')
    return await reply
      .type('application/json')
      .header(collateralChainHeaders.tcbInfo, chain(tcbInfoIssuerChainPem))
      .send(request.query.update === 'early' ? await intel.earlyTcbInfo() : tcbInfo)
  })
  app.get('/tdx/certification/v4/qe/identity', async (_request, reply) => {
    const { qeIdentity, qeIdentityIssuerChainPem } = await intel.collateral()
    return await reply
      .type('application/json')
      .header(collateralChainHeaders.qeIdentity, chain(qeIdentityIssuerChainPem))
      .send(qeIdentity)
  })
  app.get('/sgx/certification/v4/pckcrl', async (_request, reply) => {
    const { pckCrl, pckCrlIssuerChainPem } = await intel.collateral()
    return await reply
      .type(crlType)
      .header(collateralChainHeaders.pckCrl, chain(pckCrlIssuerChainPem))
      .send(Buffer.from(pckCrl))
  })
  app.get('/sgx/certification/v4/rootcacrl', async (_request, reply) => {
    const { rootCaCrl } = await intel.collateral()
    return await reply.type(crlType).send(Buffer.from(rootCaCrl))
  })
}

function unknown(target: string, expected: string, found: string): ServiceError {
  return new ServiceError({
    code: 'EndorsementNotFound',
    message: `No endorsement is published for this ${target}.`,
    target,
    expected,
    found: found.slice(0, 200),
  })
}
