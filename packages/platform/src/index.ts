export type { ErrorBody, ErrorDetail } from '@strongroom/contract'
export type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
export type { CertificateRequest } from './authority/issue.ts'
export {
  openAuthority,
  type CertificateUsage,
  type InstallationAuthority,
  type ServerCredentials,
} from './authority/authority.ts'
export { issueSelfSigned, keyIdentifier, serialNumber } from './authority/issue.ts'
export { systemClock, type Clock, type Elapsed } from './clock/clock.ts'
export { Faults, type FaultSource } from './faults.ts'
export { SettableClock } from './clock/settable-clock.ts'
export {
  ServiceError,
  storageFull,
  toErrorBody,
  toErrorDetail,
  type ServiceErrorOptions,
  type WireError,
} from './errors/errors.ts'
export { createFileAtomically, flushDirectory, writeFileAtomically } from './files/files.ts'
export { createHttpApp } from './http/app.ts'
export { exchange, HttpFailure, type HttpAnswer } from './http/client.ts'
export { bearerOf, requireBearer, type Caller, type TokenSource, type TokenVerifier } from './http/bearer.ts'
export { freePort } from './http/free-port.ts'
export { boundConnections } from './http/listening/connections.ts'
export { createHttpServer } from './http/http-server.ts'
export { OtherPeers } from './http/listening/other-peers.ts'
export { joinStreams } from './network/join-streams.ts'
export { callerAddress, connectForGuest, limitedAddress } from './network/caller.ts'
export { isPublicAddress } from './network/public-address.ts'
export { read } from './http/read.ts'
export { requireFittingStep } from './release-steps.ts'
export { requireSameRoutes, serveWire } from './http/serve-wire.ts'
export type { Figure } from './http/metrics.ts'
export { serve, type InterceptedReply, type Listeners, type RunningServer, type ServeOptions } from './http/serve.ts'
export { certifiedPeer, keyDigest, serveFleet, type CertifiedPeer, type FleetAddress } from './http/serve-fleet.ts'
export type { VirtualHost } from './http/virtual-host.ts'
export { findVerifier, readVerifiers, type AttestationVerifier } from './http/verifiers.ts'
export { createWireClient, type WireClient, type WireRequest, type WireResponse } from './http/wire-client.ts'
export { defaultPorts, openInstallation, type Installation } from './installation/installation.ts'
export { ConcurrencyLimit } from './limits/concurrency-limit.ts'
export { Fuel } from './limits/fuel.ts'
export { nextSlice } from './limits/slices.ts'
export { jsonLength } from './limits/json-length.ts'
export { allowedJsonValues, jsonWeights, mostJsonValues } from './limits/json-values.ts'
export { limitRoutes } from './limits/limited-routes.ts'
export { RateLimit } from './limits/rate-limit.ts'
export { createLogger, type Logger } from './log/logger.ts'
export {
  keyFromPassphrase,
  newPassphraseHolder,
  readPassphrase,
  type PassphraseHolder,
} from './master-key/passphrase.ts'
export { keepRootKey, masterKeyHolder, openRootKey, rotateMasterKey, type NewHolder } from './master-key/root-key.ts'
export { OperationRunner } from './operations/runner.ts'
export type {
  Operation,
  OperationStatus,
  OperationStep,
  SagaDefinition,
  SagaStep,
  StepContext,
  StepState,
} from './operations/saga.ts'
export { PublicNames } from './public-names/public-names.ts'
export { hasLandlock, type Confinement } from './programs/confinement.ts'
export { memoryBackedDirectory } from './programs/memory-backed.ts'
export { startProgram, type OwnedProcess, type StartOptions } from './programs/owned.ts'
export { sameProcess, startTimeOf } from './programs/process.ts'
export { candidateUser, freshUser, giveTo, giveUser } from './programs/vm-user.ts'
export { ProgramError, run, type RunOptions, type RunResult } from './programs/run.ts'
export { readSecretFile } from './files/secret-file.ts'
export { createSealer, SealError, type Sealer } from './sealing/sealer.ts'
export type { Service, ServiceContext } from './service/service.ts'
export { countOf } from './store/count.ts'
export { databaseTime } from './store/database-time.ts'
export { GroupCommit } from './store/group-commit.ts'
export type { Migration } from './store/store-types.ts'
export { repeatedQuery, repeatedRows } from './store/repeated-query.ts'
export { RowCache } from './store/row-cache.ts'
export { openServiceStore } from './service/service-store.ts'
export type { Database, DatabaseTransaction, Store } from './store/store-types.ts'
export { openStore } from './store/engines/store.ts'
export { forUpdate } from './store/for-update.ts'
