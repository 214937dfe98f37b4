/**
 * What Render's Blueprint reference says of a web service with a disk (render.com/docs/blueprint-spec), as JSON Schema 2020-12.
 * Strict: a field that is not listed is a mistake here. The published schema itself is used where RENDER_SCHEMA names a copy of it.
 */
export const BLUEPRINT_SCHEMA = {
  type: 'object',
  required: ['services'],
  additionalProperties: false,
  properties: {
    services: { type: 'array', minItems: 1, items: { $ref: '#/$defs/webService' } },
  },
  $defs: {
    webService: {
      type: 'object',
      required: ['type', 'name', 'runtime'],
      additionalProperties: false,
      properties: {
        type: { enum: ['web', 'pserv', 'worker', 'cron', 'keyvalue'] },
        name: { type: 'string', minLength: 1 },
        runtime: { enum: ['node', 'python', 'elixir', 'go', 'ruby', 'rust', 'docker', 'image', 'static'] },
        plan: { enum: ['free', 'starter', 'standard', 'pro', 'pro plus', 'pro max', 'pro ultra'] },
        region: { enum: ['oregon', 'ohio', 'virginia', 'frankfurt', 'singapore'] },
        branch: { type: 'string' },
        numInstances: { type: 'integer', minimum: 1 },
        buildCommand: { type: 'string', minLength: 1 },
        startCommand: { type: 'string', minLength: 1 },
        preDeployCommand: { type: 'string', minLength: 1 },
        autoDeployTrigger: { enum: ['off', 'commit', 'checksPass'] },
        healthCheckPath: { type: 'string', pattern: '^/' },
        maxShutdownDelaySeconds: { type: 'integer', minimum: 1, maximum: 300 },
        disk: {
          type: 'object',
          required: ['name', 'mountPath'],
          additionalProperties: false,
          properties: {
            name: { type: 'string', minLength: 1 },
            mountPath: { type: 'string', pattern: '^/.' },
            sizeGB: { type: 'integer', minimum: 1 },
          },
        },
        envVars: {
          type: 'array',
          items: {
            type: 'object',
            required: ['key'],
            additionalProperties: false,
            // Exactly one source: a value, one that Render makes, or one that it asks for.
            oneOf: [{ required: ['value'] }, { required: ['generateValue'] }, { required: ['sync'] }],
            properties: {
              key: { type: 'string', pattern: '^[A-Za-z_][A-Za-z0-9_]*$' },
              value: { type: ['string', 'number'] },
              generateValue: { const: true },
              sync: { const: false },
            },
          },
        },
      },
    },
  },
} as const
