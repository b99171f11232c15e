import { ServiceError } from '@strongroom/platform'

/** A template that cannot be deployed: answered with 400, as InvalidTemplate or InvalidTemplateDeployment. */
export class TemplateError extends ServiceError {
  constructor(
    message: string,
    o: { code?: string; target?: string; expected?: string; found?: string; remedy?: string } = {},
  ) {
    const { code = 'InvalidTemplate', ...rest } = o
    super({ code, status: 400, message: `Deployment template validation failed: '${message}'.`, ...rest })
  }
}
