export type Json =
  | string
  | number
  | boolean
  | null
  | { [key: string]: Json | undefined }
  | Json[]

export type Database = {
  // Allows to automatically instantiate createClient with right options
  // instead of createClient<Database, { PostgrestVersion: 'XX' }>(URL, KEY)
  __InternalSupabase: {
    PostgrestVersion: "12"
  }
  public: {
    Tables: {
      agent_events: {
        Row: {
          agent_id: string
          created_at: string
          event_type: string
          id: string
          ip_address: unknown
          metadata: NonNullable<Json>
          user_id: string | null
        }
        Insert: {
          agent_id: string
          created_at?: string
          event_type: string
          id?: string
          ip_address?: unknown
          metadata?: NonNullable<Json>
          user_id?: string | null
        }
        Update: {
          agent_id?: string
          created_at?: string
          event_type?: string
          id?: string
          ip_address?: unknown
          metadata?: NonNullable<Json>
          user_id?: string | null
        }
        Relationships: []
      }
      agent_memories: {
        Row: {
          access_count: number
          agent_id: string
          content: string
          created_at: string
          embedding: number[] | null
          embedding_model: string | null
          expires_at: string | null
          id: string
          importance_score: number
          last_accessed_at: string | null
          memory_type: string
          metadata: NonNullable<Json>
          organization_id: string
          session_id: string | null
          updated_at: string
          user_id: string
          words: unknown
        }
        Insert: {
          access_count?: number
          agent_id: string
          content: string
          created_at?: string
          embedding?: number[] | null
          embedding_model?: string | null
          expires_at?: string | null
          id?: string
          importance_score?: number
          last_accessed_at?: string | null
          memory_type: string
          metadata?: NonNullable<Json>
          organization_id: string
          session_id?: string | null
          updated_at?: string
          user_id: string
          words?: never
        }
        Update: {
          access_count?: number
          agent_id?: string
          content?: string
          created_at?: string
          embedding?: number[] | null
          embedding_model?: string | null
          expires_at?: string | null
          id?: string
          importance_score?: number
          last_accessed_at?: string | null
          memory_type?: string
          metadata?: NonNullable<Json>
          organization_id?: string
          session_id?: string | null
          updated_at?: string
          user_id?: string
          words?: never
        }
        Relationships: [
          {
            foreignKeyName: "agent_memories_agent_id_organization_id_fkey"
            columns: ["agent_id", "organization_id"]
            referencedRelation: "agent_access"
            referencedColumns: ["agent_id", "organization_id"]
          },
          {
            foreignKeyName: "agent_memories_agent_id_organization_id_fkey"
            columns: ["agent_id", "organization_id"]
            referencedRelation: "agents"
            referencedColumns: ["id", "organization_id"]
          },
          {
            foreignKeyName: "agent_memories_user_id_fkey"
            columns: ["user_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
        ]
      }
      agent_parameters: {
        Row: {
          agent_id: string
          created_at: string
          default_value: Json | null
          description: string
          display_order: number
          id: string
          name: string
          options: Json | null
          required: boolean
          type: Database["public"]["Enums"]["parameter_type"]
          updated_at: string
          validation_rules: NonNullable<Json>
        }
        Insert: {
          agent_id: string
          created_at?: string
          default_value?: Json | null
          description?: string
          display_order?: number
          id?: string
          name: string
          options?: Json | null
          required?: boolean
          type?: Database["public"]["Enums"]["parameter_type"]
          updated_at?: string
          validation_rules?: NonNullable<Json>
        }
        Update: {
          agent_id?: string
          created_at?: string
          default_value?: Json | null
          description?: string
          display_order?: number
          id?: string
          name?: string
          options?: Json | null
          required?: boolean
          type?: Database["public"]["Enums"]["parameter_type"]
          updated_at?: string
          validation_rules?: NonNullable<Json>
        }
        Relationships: [
          {
            foreignKeyName: "agent_parameters_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agent_access"
            referencedColumns: ["agent_id"]
          },
          {
            foreignKeyName: "agent_parameters_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agent_activity"
            referencedColumns: ["agent_id"]
          },
          {
            foreignKeyName: "agent_parameters_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agents"
            referencedColumns: ["id"]
          },
        ]
      }
      agent_reviews: {
        Row: {
          agent_id: string
          author_replied_at: string | null
          author_reply: string | null
          body: string
          created_at: string
          id: string
          is_hidden: boolean
          is_verified_install: boolean
          organization_id: string | null
          rating: number
          title: string
          updated_at: string
          user_id: string
        }
        Insert: {
          agent_id: string
          author_replied_at?: string | null
          author_reply?: string | null
          body?: string
          created_at?: string
          id?: string
          is_hidden?: boolean
          is_verified_install?: boolean
          organization_id?: string | null
          rating: number
          title?: string
          updated_at?: string
          user_id?: string
        }
        Update: {
          agent_id?: string
          author_replied_at?: string | null
          author_reply?: string | null
          body?: string
          created_at?: string
          id?: string
          is_hidden?: boolean
          is_verified_install?: boolean
          organization_id?: string | null
          rating?: number
          title?: string
          updated_at?: string
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "agent_reviews_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agent_access"
            referencedColumns: ["agent_id"]
          },
          {
            foreignKeyName: "agent_reviews_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agent_activity"
            referencedColumns: ["agent_id"]
          },
          {
            foreignKeyName: "agent_reviews_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agents"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "agent_reviews_organization_id_fkey"
            columns: ["organization_id"]
            referencedRelation: "organizations"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "agent_reviews_user_id_fkey"
            columns: ["user_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
        ]
      }
      agent_shares: {
        Row: {
          agent_id: string
          created_at: string
          permission: Database["public"]["Enums"]["agent_permission"]
          updated_at: string
          user_id: string
        }
        Insert: {
          agent_id: string
          created_at?: string
          permission?: Database["public"]["Enums"]["agent_permission"]
          updated_at?: string
          user_id: string
        }
        Update: {
          agent_id?: string
          created_at?: string
          permission?: Database["public"]["Enums"]["agent_permission"]
          updated_at?: string
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "agent_shares_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agent_access"
            referencedColumns: ["agent_id"]
          },
          {
            foreignKeyName: "agent_shares_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agent_activity"
            referencedColumns: ["agent_id"]
          },
          {
            foreignKeyName: "agent_shares_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agents"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "agent_shares_user_id_fkey"
            columns: ["user_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
        ]
      }
      agent_tags: {
        Row: {
          agent_id: string
          created_at: string
          tag: string
        }
        Insert: {
          agent_id: string
          created_at?: string
          tag: string
        }
        Update: {
          agent_id?: string
          created_at?: string
          tag?: string
        }
        Relationships: [
          {
            foreignKeyName: "agent_tags_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agent_access"
            referencedColumns: ["agent_id"]
          },
          {
            foreignKeyName: "agent_tags_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agent_activity"
            referencedColumns: ["agent_id"]
          },
          {
            foreignKeyName: "agent_tags_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agents"
            referencedColumns: ["id"]
          },
        ]
      }
      agent_tools: {
        Row: {
          agent_id: string
          created_at: string
          tool_id: string
        }
        Insert: {
          agent_id: string
          created_at?: string
          tool_id: string
        }
        Update: {
          agent_id?: string
          created_at?: string
          tool_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "agent_tools_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agent_access"
            referencedColumns: ["agent_id"]
          },
          {
            foreignKeyName: "agent_tools_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agent_activity"
            referencedColumns: ["agent_id"]
          },
          {
            foreignKeyName: "agent_tools_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agents"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "agent_tools_tool_id_fkey"
            columns: ["tool_id"]
            referencedRelation: "tools"
            referencedColumns: ["id"]
          },
        ]
      }
      agent_variables: {
        Row: {
          agent_id: string
          created_at: string
          description: string
          id: string
          name: string
          updated_at: string
          value: Json | null
        }
        Insert: {
          agent_id: string
          created_at?: string
          description?: string
          id?: string
          name: string
          updated_at?: string
          value?: Json | null
        }
        Update: {
          agent_id?: string
          created_at?: string
          description?: string
          id?: string
          name?: string
          updated_at?: string
          value?: Json | null
        }
        Relationships: [
          {
            foreignKeyName: "agent_variables_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agent_access"
            referencedColumns: ["agent_id"]
          },
          {
            foreignKeyName: "agent_variables_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agent_activity"
            referencedColumns: ["agent_id"]
          },
          {
            foreignKeyName: "agent_variables_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agents"
            referencedColumns: ["id"]
          },
        ]
      }
      agent_versions: {
        Row: {
          agent_config: NonNullable<Json>
          agent_id: string
          changelog: string | null
          created_at: string
          created_by_id: string
          execution_environment: NonNullable<Json>
          id: string
          is_published: boolean
          max_tokens: number | null
          mcp_servers: NonNullable<Json>
          memory_enabled: boolean
          memory_type: Database["public"]["Enums"]["agent_memory_type"]
          metadata: NonNullable<Json>
          model: string
          name: string
          organization_id: string
          parameters: NonNullable<Json>
          prompt_config: NonNullable<Json>
          revision_name: string | null
          settings_id: string | null
          system_prompt: string
          temperature: number | null
          tools: NonNullable<Json>
          user_prompt_template: string | null
          variables: NonNullable<Json>
          version: string | null
          version_number: number | null
        }
        Insert: {
          agent_config: NonNullable<Json>
          agent_id: string
          changelog?: string | null
          created_at?: string
          created_by_id: string
          execution_environment: NonNullable<Json>
          id?: string
          is_published: boolean
          max_tokens?: number | null
          mcp_servers: NonNullable<Json>
          memory_enabled: boolean
          memory_type: Database["public"]["Enums"]["agent_memory_type"]
          metadata: NonNullable<Json>
          model: string
          name: string
          organization_id: string
          parameters: NonNullable<Json>
          prompt_config: NonNullable<Json>
          revision_name?: string | null
          settings_id?: string | null
          system_prompt: string
          temperature?: number | null
          tools: NonNullable<Json>
          user_prompt_template?: string | null
          variables: NonNullable<Json>
          version?: string | null
          version_number?: number | null
        }
        Update: {
          agent_config?: NonNullable<Json>
          agent_id?: string
          changelog?: string | null
          created_at?: string
          created_by_id?: string
          execution_environment?: NonNullable<Json>
          id?: string
          is_published?: boolean
          max_tokens?: number | null
          mcp_servers?: NonNullable<Json>
          memory_enabled?: boolean
          memory_type?: Database["public"]["Enums"]["agent_memory_type"]
          metadata?: NonNullable<Json>
          model?: string
          name?: string
          organization_id?: string
          parameters?: NonNullable<Json>
          prompt_config?: NonNullable<Json>
          revision_name?: string | null
          settings_id?: string | null
          system_prompt?: string
          temperature?: number | null
          tools?: NonNullable<Json>
          user_prompt_template?: string | null
          variables?: NonNullable<Json>
          version?: string | null
          version_number?: number | null
        }
        Relationships: [
          {
            foreignKeyName: "agent_versions_agent_id_organization_id_fkey"
            columns: ["agent_id", "organization_id"]
            referencedRelation: "agent_access"
            referencedColumns: ["agent_id", "organization_id"]
          },
          {
            foreignKeyName: "agent_versions_agent_id_organization_id_fkey"
            columns: ["agent_id", "organization_id"]
            referencedRelation: "agents"
            referencedColumns: ["id", "organization_id"]
          },
          {
            foreignKeyName: "agent_versions_created_by_id_fkey"
            columns: ["created_by_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
        ]
      }
      agents: {
        Row: {
          agent_type: Database["public"]["Enums"]["agent_type"]
          avatar_url: string | null
          category: string | null
          configuration: NonNullable<Json>
          created_at: string
          created_by_id: string
          current_version_id: string | null
          deleted_at: string | null
          description: string
          external_key: string | null
          forked_from_agent_id: string | null
          forked_from_version_id: string | null
          icon: string | null
          id: string
          is_active: boolean
          is_custom: boolean
          max_tokens: number | null
          memory_enabled: boolean
          memory_type: Database["public"]["Enums"]["agent_memory_type"]
          model: string
          name: string
          organization_id: string
          published_at: string | null
          settings_id: string | null
          slug: string
          status: string
          system_prompt: string
          temperature: number | null
          updated_at: string
          user_prompt_template: string | null
          visibility: Database["public"]["Enums"]["agent_visibility"]
          has_unpublished_changes: boolean | null
          runtime_status: string | null
          stats: {
            agent_id: string | null
            avg_rating: number | null
            favorite_count: number | null
            fork_count: number | null
            install_count: number | null
            rating_count: number | null
            share_count: number | null
            total_uses: number | null
            view_count: number | null
          } | null
        }
        Insert: {
          agent_type?: Database["public"]["Enums"]["agent_type"]
          avatar_url?: string | null
          category?: string | null
          configuration?: NonNullable<Json>
          created_at?: string
          created_by_id?: string
          current_version_id?: string | null
          deleted_at?: string | null
          description?: string
          external_key?: string | null
          forked_from_agent_id?: string | null
          forked_from_version_id?: string | null
          icon?: string | null
          id?: string
          is_active?: never
          is_custom?: boolean
          max_tokens?: number | null
          memory_enabled?: boolean
          memory_type?: Database["public"]["Enums"]["agent_memory_type"]
          model?: string
          name: string
          organization_id: string
          published_at?: string | null
          settings_id?: string | null
          slug?: string
          status?: string
          system_prompt?: string
          temperature?: number | null
          updated_at?: string
          user_prompt_template?: string | null
          visibility?: Database["public"]["Enums"]["agent_visibility"]
        }
        Update: {
          agent_type?: Database["public"]["Enums"]["agent_type"]
          avatar_url?: string | null
          category?: string | null
          configuration?: NonNullable<Json>
          created_at?: string
          created_by_id?: string
          current_version_id?: string | null
          deleted_at?: string | null
          description?: string
          external_key?: string | null
          forked_from_agent_id?: string | null
          forked_from_version_id?: string | null
          icon?: string | null
          id?: string
          is_active?: never
          is_custom?: boolean
          max_tokens?: number | null
          memory_enabled?: boolean
          memory_type?: Database["public"]["Enums"]["agent_memory_type"]
          model?: string
          name?: string
          organization_id?: string
          published_at?: string | null
          settings_id?: string | null
          slug?: string
          status?: string
          system_prompt?: string
          temperature?: number | null
          updated_at?: string
          user_prompt_template?: string | null
          visibility?: Database["public"]["Enums"]["agent_visibility"]
        }
        Relationships: [
          {
            foreignKeyName: "agents_created_by_id_fkey"
            columns: ["created_by_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "agents_current_version_id_id_fkey"
            columns: ["current_version_id", "id"]
            referencedRelation: "agent_versions"
            referencedColumns: ["id", "agent_id"]
          },
          {
            foreignKeyName: "agents_forked_from_agent_id_fkey"
            columns: ["forked_from_agent_id"]
            referencedRelation: "agent_access"
            referencedColumns: ["agent_id"]
          },
          {
            foreignKeyName: "agents_forked_from_agent_id_fkey"
            columns: ["forked_from_agent_id"]
            referencedRelation: "agent_activity"
            referencedColumns: ["agent_id"]
          },
          {
            foreignKeyName: "agents_forked_from_agent_id_fkey"
            columns: ["forked_from_agent_id"]
            referencedRelation: "agents"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "agents_forked_from_version_id_fkey"
            columns: ["forked_from_version_id"]
            referencedRelation: "agent_versions"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "agents_organization_id_fkey"
            columns: ["organization_id"]
            referencedRelation: "organizations"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "agents_settings_id_fkey"
            columns: ["settings_id"]
            referencedRelation: "settings"
            referencedColumns: ["id"]
          },
        ]
      }
      api_keys: {
        Row: {
          created_at: string
          expires_at: string | null
          id: string
          key_prefix: string
          last_used_at: string | null
          name: string
          organization_id: string
          rate_limit: number
          revoked_at: string | null
          scopes: string[]
          user_id: string
        }
        Insert: {
          created_at?: string
          expires_at?: string | null
          id?: string
          key_prefix: string
          last_used_at?: string | null
          name: string
          organization_id: string
          rate_limit?: number
          revoked_at?: string | null
          scopes: string[]
          user_id: string
        }
        Update: {
          created_at?: string
          expires_at?: string | null
          id?: string
          key_prefix?: string
          last_used_at?: string | null
          name?: string
          organization_id?: string
          rate_limit?: number
          revoked_at?: string | null
          scopes?: string[]
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "api_keys_organization_id_user_id_fkey"
            columns: ["organization_id", "user_id"]
            referencedRelation: "organization_members"
            referencedColumns: ["organization_id", "user_id"]
          },
          {
            foreignKeyName: "api_keys_user_id_fkey"
            columns: ["user_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
        ]
      }
      audit_logs: {
        Row: {
          action: string
          created_at: string
          id: string
          ip_address: unknown
          new_values: Json | null
          old_values: Json | null
          organization_id: string
          request_id: string | null
          resource_id: string | null
          resource_type: string
          user_agent: string | null
          user_id: string | null
        }
        Insert: {
          action: string
          created_at?: string
          id?: string
          ip_address?: unknown
          new_values?: Json | null
          old_values?: Json | null
          organization_id: string
          request_id?: string | null
          resource_id?: string | null
          resource_type: string
          user_agent?: string | null
          user_id?: string | null
        }
        Update: {
          action?: string
          created_at?: string
          id?: string
          ip_address?: unknown
          new_values?: Json | null
          old_values?: Json | null
          organization_id?: string
          request_id?: string | null
          resource_id?: string | null
          resource_type?: string
          user_agent?: string | null
          user_id?: string | null
        }
        Relationships: []
      }
      audit_seals: {
        Row: {
          audit_log_id: string
          hash: string
          is_anchor: boolean
          organization_id: string
          row_hash: string
          sealed_at: string
          seq: number
        }
        Insert: {
          audit_log_id: string
          hash: string
          is_anchor?: boolean
          organization_id: string
          row_hash: string
          sealed_at?: string
          seq: number
        }
        Update: {
          audit_log_id?: string
          hash?: string
          is_anchor?: boolean
          organization_id?: string
          row_hash?: string
          sealed_at?: string
          seq?: number
        }
        Relationships: []
      }
      collection_items: {
        Row: {
          agent_id: string
          collection_id: string
          created_at: string
          display_order: number
        }
        Insert: {
          agent_id: string
          collection_id: string
          created_at?: string
          display_order?: number
        }
        Update: {
          agent_id?: string
          collection_id?: string
          created_at?: string
          display_order?: number
        }
        Relationships: [
          {
            foreignKeyName: "collection_items_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agent_access"
            referencedColumns: ["agent_id"]
          },
          {
            foreignKeyName: "collection_items_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agent_activity"
            referencedColumns: ["agent_id"]
          },
          {
            foreignKeyName: "collection_items_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agents"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "collection_items_collection_id_fkey"
            columns: ["collection_id"]
            referencedRelation: "collections"
            referencedColumns: ["id"]
          },
        ]
      }
      collections: {
        Row: {
          created_at: string
          description: string
          id: string
          is_public: boolean
          name: string
          updated_at: string
          user_id: string
        }
        Insert: {
          created_at?: string
          description?: string
          id?: string
          is_public?: boolean
          name: string
          updated_at?: string
          user_id?: string
        }
        Update: {
          created_at?: string
          description?: string
          id?: string
          is_public?: boolean
          name?: string
          updated_at?: string
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "collections_user_id_fkey"
            columns: ["user_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
        ]
      }
      conversations: {
        Row: {
          agent_id: string
          agent_version_id: string
          created_at: string
          id: string
          last_message: string | null
          last_message_at: string
          last_sequence_number: number
          organization_id: string
          parameters: NonNullable<Json>
          title: string | null
          updated_at: string
          user_id: string
        }
        Insert: {
          agent_id: string
          agent_version_id?: string
          created_at?: string
          id?: string
          last_message?: string | null
          last_message_at?: string
          last_sequence_number?: number
          organization_id?: string
          parameters?: NonNullable<Json>
          title?: string | null
          updated_at?: string
          user_id?: string
        }
        Update: {
          agent_id?: string
          agent_version_id?: string
          created_at?: string
          id?: string
          last_message?: string | null
          last_message_at?: string
          last_sequence_number?: number
          organization_id?: string
          parameters?: NonNullable<Json>
          title?: string | null
          updated_at?: string
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "conversations_agent_id_organization_id_fkey"
            columns: ["agent_id", "organization_id"]
            referencedRelation: "agent_access"
            referencedColumns: ["agent_id", "organization_id"]
          },
          {
            foreignKeyName: "conversations_agent_id_organization_id_fkey"
            columns: ["agent_id", "organization_id"]
            referencedRelation: "agents"
            referencedColumns: ["id", "organization_id"]
          },
          {
            foreignKeyName: "conversations_agent_version_id_agent_id_fkey"
            columns: ["agent_version_id", "agent_id"]
            referencedRelation: "agent_versions"
            referencedColumns: ["id", "agent_id"]
          },
          {
            foreignKeyName: "conversations_user_id_fkey"
            columns: ["user_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
        ]
      }
      eval_results: {
        Row: {
          actual_output: Json | null
          created_at: string
          criteria: NonNullable<Json>
          execution_id: string
          feedback: string | null
          id: string
          run_id: string
          score: number | null
          status: string
          test_case: NonNullable<Json>
          test_case_id: string | null
          updated_at: string
        }
        Insert: {
          actual_output?: Json | null
          created_at?: string
          criteria?: NonNullable<Json>
          execution_id: string
          feedback?: string | null
          id?: string
          run_id: string
          score?: number | null
          status?: string
          test_case: NonNullable<Json>
          test_case_id?: string | null
          updated_at?: string
        }
        Update: {
          actual_output?: Json | null
          created_at?: string
          criteria?: NonNullable<Json>
          execution_id?: string
          feedback?: string | null
          id?: string
          run_id?: string
          score?: number | null
          status?: string
          test_case?: NonNullable<Json>
          test_case_id?: string | null
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: "eval_results_run_id_fkey"
            columns: ["run_id"]
            referencedRelation: "eval_runs"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "eval_results_test_case_id_fkey"
            columns: ["test_case_id"]
            referencedRelation: "eval_test_cases"
            referencedColumns: ["id"]
          },
        ]
      }
      eval_runs: {
        Row: {
          agent_id: string
          agent_version_id: string
          average_score: number | null
          completed_at: string | null
          created_at: string
          failed_tests: number
          id: string
          is_passed: boolean
          minimum_pass_rate: number
          organization_id: string
          passed_tests: number
          started_at: string | null
          status: string
          suite_digest: string
          suite_id: string
          total_tests: number
          updated_at: string
          user_id: string
        }
        Insert: {
          agent_id: string
          agent_version_id: string
          average_score?: number | null
          completed_at?: string | null
          created_at?: string
          failed_tests?: number
          id?: string
          is_passed?: never
          minimum_pass_rate?: number
          organization_id: string
          passed_tests?: number
          started_at?: string | null
          status?: string
          suite_digest: string
          suite_id: string
          total_tests?: number
          updated_at?: string
          user_id: string
        }
        Update: {
          agent_id?: string
          agent_version_id?: string
          average_score?: number | null
          completed_at?: string | null
          created_at?: string
          failed_tests?: number
          id?: string
          is_passed?: never
          minimum_pass_rate?: number
          organization_id?: string
          passed_tests?: number
          started_at?: string | null
          status?: string
          suite_digest?: string
          suite_id?: string
          total_tests?: number
          updated_at?: string
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "eval_runs_agent_id_organization_id_fkey"
            columns: ["agent_id", "organization_id"]
            referencedRelation: "agent_access"
            referencedColumns: ["agent_id", "organization_id"]
          },
          {
            foreignKeyName: "eval_runs_agent_id_organization_id_fkey"
            columns: ["agent_id", "organization_id"]
            referencedRelation: "agents"
            referencedColumns: ["id", "organization_id"]
          },
          {
            foreignKeyName: "eval_runs_agent_version_id_agent_id_fkey"
            columns: ["agent_version_id", "agent_id"]
            referencedRelation: "agent_versions"
            referencedColumns: ["id", "agent_id"]
          },
          {
            foreignKeyName: "eval_runs_suite_id_organization_id_fkey"
            columns: ["suite_id", "organization_id"]
            referencedRelation: "eval_suites"
            referencedColumns: ["id", "organization_id"]
          },
          {
            foreignKeyName: "eval_runs_user_id_fkey"
            columns: ["user_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
        ]
      }
      eval_suites: {
        Row: {
          agent_id: string | null
          config: NonNullable<Json>
          created_at: string
          created_by_id: string
          description: string | null
          id: string
          is_required: boolean
          name: string
          organization_id: string
          updated_at: string
        }
        Insert: {
          agent_id?: string | null
          config?: NonNullable<Json>
          created_at?: string
          created_by_id?: string
          description?: string | null
          id?: string
          is_required?: boolean
          name: string
          organization_id: string
          updated_at?: string
        }
        Update: {
          agent_id?: string | null
          config?: NonNullable<Json>
          created_at?: string
          created_by_id?: string
          description?: string | null
          id?: string
          is_required?: boolean
          name?: string
          organization_id?: string
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: "eval_suites_agent_id_organization_id_fkey"
            columns: ["agent_id", "organization_id"]
            referencedRelation: "agent_access"
            referencedColumns: ["agent_id", "organization_id"]
          },
          {
            foreignKeyName: "eval_suites_agent_id_organization_id_fkey"
            columns: ["agent_id", "organization_id"]
            referencedRelation: "agents"
            referencedColumns: ["id", "organization_id"]
          },
          {
            foreignKeyName: "eval_suites_created_by_id_fkey"
            columns: ["created_by_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "eval_suites_organization_id_fkey"
            columns: ["organization_id"]
            referencedRelation: "organizations"
            referencedColumns: ["id"]
          },
        ]
      }
      eval_test_cases: {
        Row: {
          created_at: string
          created_by_id: string
          description: string | null
          expected_output: Json | null
          id: string
          input: NonNullable<Json>
          name: string
          scoring_rubric: NonNullable<Json>
          suite_id: string
          updated_at: string
        }
        Insert: {
          created_at?: string
          created_by_id?: string
          description?: string | null
          expected_output?: Json | null
          id?: string
          input: NonNullable<Json>
          name: string
          scoring_rubric?: NonNullable<Json>
          suite_id: string
          updated_at?: string
        }
        Update: {
          created_at?: string
          created_by_id?: string
          description?: string | null
          expected_output?: Json | null
          id?: string
          input?: NonNullable<Json>
          name?: string
          scoring_rubric?: NonNullable<Json>
          suite_id?: string
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: "eval_test_cases_created_by_id_fkey"
            columns: ["created_by_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "eval_test_cases_suite_id_fkey"
            columns: ["suite_id"]
            referencedRelation: "eval_suites"
            referencedColumns: ["id"]
          },
        ]
      }
      execution_approvals: {
        Row: {
          arguments: NonNullable<Json>
          created_at: string
          decided_at: string | null
          decided_by_id: string | null
          edited_arguments: Json | null
          execution_id: string
          expires_at: string
          id: string
          note: string | null
          status: string
          tool: string
        }
        Insert: {
          arguments?: NonNullable<Json>
          created_at?: string
          decided_at?: string | null
          decided_by_id?: string | null
          edited_arguments?: Json | null
          execution_id: string
          expires_at: string
          id?: string
          note?: string | null
          status?: string
          tool: string
        }
        Update: {
          arguments?: NonNullable<Json>
          created_at?: string
          decided_at?: string | null
          decided_by_id?: string | null
          edited_arguments?: Json | null
          execution_id?: string
          expires_at?: string
          id?: string
          note?: string | null
          status?: string
          tool?: string
        }
        Relationships: [
          {
            foreignKeyName: "execution_approvals_decided_by_id_fkey"
            columns: ["decided_by_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
        ]
      }
      execution_artifacts: {
        Row: {
          created_at: string
          execution_id: string
          id: string
          name: string
          size_bytes: number
          storage_path: string
          type: string
        }
        Insert: {
          created_at?: string
          execution_id: string
          id?: string
          name: string
          size_bytes: number
          storage_path: string
          type: string
        }
        Update: {
          created_at?: string
          execution_id?: string
          id?: string
          name?: string
          size_bytes?: number
          storage_path?: string
          type?: string
        }
        Relationships: []
      }
      execution_events: {
        Row: {
          created_at: string
          execution_id: string
          id: string
          kind: string
          payload: NonNullable<Json>
          seq: number
        }
        Insert: {
          created_at?: string
          execution_id: string
          id?: string
          kind: string
          payload: NonNullable<Json>
          seq: number
        }
        Update: {
          created_at?: string
          execution_id?: string
          id?: string
          kind?: string
          payload?: NonNullable<Json>
          seq?: number
        }
        Relationships: [
          {
            foreignKeyName: "execution_events_execution_id_fkey"
            columns: ["execution_id"]
            referencedRelation: "executions"
            referencedColumns: ["id"]
          },
        ]
      }
      execution_logs: {
        Row: {
          created_at: string
          execution_id: string
          id: string
          level: string
          message: string
          sequence_number: number
        }
        Insert: {
          created_at?: string
          execution_id: string
          id?: string
          level: string
          message: string
          sequence_number: number
        }
        Update: {
          created_at?: string
          execution_id?: string
          id?: string
          level?: string
          message?: string
          sequence_number?: number
        }
        Relationships: [
          {
            foreignKeyName: "execution_logs_execution_id_fkey"
            columns: ["execution_id"]
            referencedRelation: "executions"
            referencedColumns: ["id"]
          },
        ]
      }
      execution_steps: {
        Row: {
          attempt: number
          cached_prompt_tokens: number | null
          completed_at: string | null
          completion_tokens: number | null
          cost_usd: number | null
          created_at: string
          error_message: string | null
          execution_id: string
          id: string
          input: Json | null
          latency_ms: number | null
          model: string | null
          output: Json | null
          parent_step_id: string | null
          prompt_tokens: number | null
          sequence_number: number
          started_at: string
          status: string
          step_name: string
          step_type: string
          tool_name: string | null
          tool_status: string | null
        }
        Insert: {
          attempt: number
          cached_prompt_tokens?: number | null
          completed_at?: string | null
          completion_tokens?: number | null
          cost_usd?: number | null
          created_at?: string
          error_message?: string | null
          execution_id: string
          id?: string
          input?: Json | null
          latency_ms?: never
          model?: string | null
          output?: Json | null
          parent_step_id?: string | null
          prompt_tokens?: number | null
          sequence_number: number
          started_at?: string
          status?: never
          step_name: string
          step_type: string
          tool_name?: string | null
          tool_status?: string | null
        }
        Update: {
          attempt?: number
          cached_prompt_tokens?: number | null
          completed_at?: string | null
          completion_tokens?: number | null
          cost_usd?: number | null
          created_at?: string
          error_message?: string | null
          execution_id?: string
          id?: string
          input?: Json | null
          latency_ms?: never
          model?: string | null
          output?: Json | null
          parent_step_id?: string | null
          prompt_tokens?: number | null
          sequence_number?: number
          started_at?: string
          status?: never
          step_name?: string
          step_type?: string
          tool_name?: string | null
          tool_status?: string | null
        }
        Relationships: [
          {
            foreignKeyName: "execution_steps_execution_id_fkey"
            columns: ["execution_id"]
            referencedRelation: "executions"
            referencedColumns: ["id"]
          },
        ]
      }
      executions: {
        Row: {
          agent_id: string | null
          agent_version_id: string | null
          attempt: number
          completed_at: string | null
          completion_tokens: number
          conversation_id: string | null
          cost_usd: number | null
          created_at: string
          credited_agent_id: string | null
          error_code: string | null
          error_message: string | null
          id: string
          input: NonNullable<Json>
          latency_ms: number | null
          max_attempts: number
          organization_id: string
          output: Json | null
          parent_execution_id: string | null
          prompt_tokens: number
          reserved_usd: number
          resource_usage: Json | null
          retry_of_id: string | null
          session_id: string | null
          started_at: string | null
          status: string
          target_id: string
          target_type: string
          team_id: string | null
          timeout_seconds: number
          total_tokens: number
          trace_id: string
          trigger_source: string
          updated_at: string
          user_id: string
          workflow_id: string | null
          workflow_version_id: string | null
          agent: {
            agent_type: Database["public"]["Enums"]["agent_type"]
            avatar_url: string | null
            category: string | null
            configuration: NonNullable<Json>
            created_at: string
            created_by_id: string
            current_version_id: string | null
            deleted_at: string | null
            description: string
            external_key: string | null
            forked_from_agent_id: string | null
            forked_from_version_id: string | null
            icon: string | null
            id: string
            is_active: boolean
            is_custom: boolean
            max_tokens: number | null
            memory_enabled: boolean
            memory_type: Database["public"]["Enums"]["agent_memory_type"]
            model: string
            name: string
            organization_id: string
            published_at: string | null
            settings_id: string | null
            slug: string
            status: string
            system_prompt: string
            temperature: number | null
            updated_at: string
            user_prompt_template: string | null
            visibility: Database["public"]["Enums"]["agent_visibility"]
          } | null
          agent_version: {
            agent_config: NonNullable<Json>
            agent_id: string
            changelog: string | null
            created_at: string
            created_by_id: string
            execution_environment: NonNullable<Json>
            id: string
            is_published: boolean
            max_tokens: number | null
            mcp_servers: NonNullable<Json>
            memory_enabled: boolean
            memory_type: Database["public"]["Enums"]["agent_memory_type"]
            metadata: NonNullable<Json>
            model: string
            name: string
            organization_id: string
            parameters: NonNullable<Json>
            prompt_config: NonNullable<Json>
            revision_name: string | null
            settings_id: string | null
            system_prompt: string
            temperature: number | null
            tools: NonNullable<Json>
            user_prompt_template: string | null
            variables: NonNullable<Json>
            version: string | null
            version_number: number | null
          } | null
          team: {
            created_at: string
            created_by_id: string
            deleted_at: string | null
            description: string
            id: string
            leader_model: string
            leader_prompt: string
            name: string
            organization_id: string
            slug: string
            type: Database["public"]["Enums"]["team_type"]
            updated_at: string
          } | null
          tool_calls: Json | null
          workflow: {
            created_at: string
            created_by_id: string
            definition: NonNullable<Json>
            deleted_at: string | null
            description: string
            id: string
            is_active: boolean
            name: string
            organization_id: string
            slug: string
            updated_at: string
            version: number
          } | null
        }
        Insert: {
          agent_id?: string | null
          agent_version_id?: string | null
          attempt?: number
          completed_at?: string | null
          completion_tokens?: number
          conversation_id?: string | null
          cost_usd?: number | null
          created_at?: string
          credited_agent_id?: string | null
          error_code?: string | null
          error_message?: string | null
          id?: string
          input?: NonNullable<Json>
          latency_ms?: never
          max_attempts?: number
          organization_id: string
          output?: Json | null
          parent_execution_id?: string | null
          prompt_tokens?: number
          reserved_usd?: number
          resource_usage?: Json | null
          retry_of_id?: string | null
          session_id?: string | null
          started_at?: string | null
          status?: string
          target_id?: never
          target_type?: never
          team_id?: string | null
          timeout_seconds?: number
          total_tokens?: never
          trace_id?: string
          trigger_source?: string
          updated_at?: string
          user_id: string
          workflow_id?: string | null
          workflow_version_id?: string | null
        }
        Update: {
          agent_id?: string | null
          agent_version_id?: string | null
          attempt?: number
          completed_at?: string | null
          completion_tokens?: number
          conversation_id?: string | null
          cost_usd?: number | null
          created_at?: string
          credited_agent_id?: string | null
          error_code?: string | null
          error_message?: string | null
          id?: string
          input?: NonNullable<Json>
          latency_ms?: never
          max_attempts?: number
          organization_id?: string
          output?: Json | null
          parent_execution_id?: string | null
          prompt_tokens?: number
          reserved_usd?: number
          resource_usage?: Json | null
          retry_of_id?: string | null
          session_id?: string | null
          started_at?: string | null
          status?: string
          target_id?: never
          target_type?: never
          team_id?: string | null
          timeout_seconds?: number
          total_tokens?: never
          trace_id?: string
          trigger_source?: string
          updated_at?: string
          user_id?: string
          workflow_id?: string | null
          workflow_version_id?: string | null
        }
        Relationships: [
          {
            foreignKeyName: "executions_user_id_fkey"
            columns: ["user_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
        ]
      }
      favorites: {
        Row: {
          agent_id: string
          created_at: string
          user_id: string
        }
        Insert: {
          agent_id: string
          created_at?: string
          user_id?: string
        }
        Update: {
          agent_id?: string
          created_at?: string
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "favorites_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agent_access"
            referencedColumns: ["agent_id"]
          },
          {
            foreignKeyName: "favorites_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agent_activity"
            referencedColumns: ["agent_id"]
          },
          {
            foreignKeyName: "favorites_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agents"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "favorites_user_id_fkey"
            columns: ["user_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
        ]
      }
      industries: {
        Row: {
          active: boolean
          created_at: string
          description: string
          display_order: number
          icon: string | null
          id: string
          name: string
        }
        Insert: {
          active?: boolean
          created_at?: string
          description?: string
          display_order?: number
          icon?: string | null
          id?: string
          name: string
        }
        Update: {
          active?: boolean
          created_at?: string
          description?: string
          display_order?: number
          icon?: string | null
          id?: string
          name?: string
        }
        Relationships: []
      }
      integrations: {
        Row: {
          created_at: string
          id: string
          last_error: string | null
          last_used_at: string | null
          organization_id: string
          provider: string
          provider_account_id: string
          provider_account_name: string | null
          refresh_token_expires_at: string | null
          scopes: string[]
          status: string
          token_expires_at: string | null
          updated_at: string
          user_id: string
        }
        Insert: {
          created_at?: string
          id?: string
          last_error?: string | null
          last_used_at?: string | null
          organization_id: string
          provider: string
          provider_account_id: string
          provider_account_name?: string | null
          refresh_token_expires_at?: string | null
          scopes?: string[]
          status?: string
          token_expires_at?: string | null
          updated_at?: string
          user_id: string
        }
        Update: {
          created_at?: string
          id?: string
          last_error?: string | null
          last_used_at?: string | null
          organization_id?: string
          provider?: string
          provider_account_id?: string
          provider_account_name?: string | null
          refresh_token_expires_at?: string | null
          scopes?: string[]
          status?: string
          token_expires_at?: string | null
          updated_at?: string
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "integrations_organization_id_user_id_fkey"
            columns: ["organization_id", "user_id"]
            referencedRelation: "organization_members"
            referencedColumns: ["organization_id", "user_id"]
          },
        ]
      }
      invoices: {
        Row: {
          amount_due_usd: number
          amount_paid_usd: number
          created_at: string
          due_date: string | null
          id: string
          invoice_date: string
          invoice_number: string | null
          invoice_pdf_url: string | null
          organization_id: string
          paid_at: string | null
          status: string
          stripe_invoice_id: string
          subscription_id: string | null
          subtotal_usd: number
          tax_usd: number
          total_usd: number
          updated_at: string
        }
        Insert: {
          amount_due_usd: number
          amount_paid_usd?: number
          created_at?: string
          due_date?: string | null
          id?: string
          invoice_date: string
          invoice_number?: string | null
          invoice_pdf_url?: string | null
          organization_id: string
          paid_at?: string | null
          status: string
          stripe_invoice_id: string
          subscription_id?: string | null
          subtotal_usd: number
          tax_usd?: number
          total_usd: number
          updated_at?: string
        }
        Update: {
          amount_due_usd?: number
          amount_paid_usd?: number
          created_at?: string
          due_date?: string | null
          id?: string
          invoice_date?: string
          invoice_number?: string | null
          invoice_pdf_url?: string | null
          organization_id?: string
          paid_at?: string | null
          status?: string
          stripe_invoice_id?: string
          subscription_id?: string | null
          subtotal_usd?: number
          tax_usd?: number
          total_usd?: number
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: "invoices_organization_id_fkey"
            columns: ["organization_id"]
            referencedRelation: "organizations"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "invoices_subscription_id_organization_id_fkey"
            columns: ["subscription_id", "organization_id"]
            referencedRelation: "subscriptions"
            referencedColumns: ["id", "organization_id"]
          },
        ]
      }
      listing_revisions: {
        Row: {
          agent_id: string
          agent_version_id: string | null
          category: string | null
          created_at: string
          demo_video_url: string | null
          icon_url: string | null
          id: string
          industry_id: string | null
          listing_id: string
          long_description: string
          organization_id: string
          price_usd: number | null
          pricing_model: Database["public"]["Enums"]["pricing_model"]
          review_notes: string | null
          reviewed_at: string | null
          reviewed_by_id: string | null
          screenshots: string[]
          short_description: string
          status: string
          submitted_at: string | null
          submitted_by_id: string | null
          title: string
          updated_at: string
          use_case: string
        }
        Insert: {
          agent_id?: string
          agent_version_id?: string | null
          category?: string | null
          created_at?: string
          demo_video_url?: string | null
          icon_url?: string | null
          id?: string
          industry_id?: string | null
          listing_id: string
          long_description?: string
          organization_id?: string
          price_usd?: number | null
          pricing_model?: Database["public"]["Enums"]["pricing_model"]
          review_notes?: string | null
          reviewed_at?: string | null
          reviewed_by_id?: string | null
          screenshots?: string[]
          short_description?: string
          status?: string
          submitted_at?: string | null
          submitted_by_id?: string | null
          title: string
          updated_at?: string
          use_case?: string
        }
        Update: {
          agent_id?: string
          agent_version_id?: string | null
          category?: string | null
          created_at?: string
          demo_video_url?: string | null
          icon_url?: string | null
          id?: string
          industry_id?: string | null
          listing_id?: string
          long_description?: string
          organization_id?: string
          price_usd?: number | null
          pricing_model?: Database["public"]["Enums"]["pricing_model"]
          review_notes?: string | null
          reviewed_at?: string | null
          reviewed_by_id?: string | null
          screenshots?: string[]
          short_description?: string
          status?: string
          submitted_at?: string | null
          submitted_by_id?: string | null
          title?: string
          updated_at?: string
          use_case?: string
        }
        Relationships: [
          {
            foreignKeyName: "listing_revisions_agent_version_id_agent_id_fkey"
            columns: ["agent_version_id", "agent_id"]
            referencedRelation: "agent_versions"
            referencedColumns: ["id", "agent_id"]
          },
          {
            foreignKeyName: "listing_revisions_industry_id_fkey"
            columns: ["industry_id"]
            referencedRelation: "industries"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "listing_revisions_listing_id_organization_id_agent_id_fkey"
            columns: ["listing_id", "organization_id", "agent_id"]
            referencedRelation: "marketplace_listings"
            referencedColumns: ["id", "organization_id", "agent_id"]
          },
          {
            foreignKeyName: "listing_revisions_reviewed_by_id_fkey"
            columns: ["reviewed_by_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "listing_revisions_submitted_by_id_fkey"
            columns: ["submitted_by_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
        ]
      }
      marketplace_installs: {
        Row: {
          agent_version_id: string | null
          cloned_agent_id: string | null
          id: string
          installed_at: string
          installed_by_id: string | null
          is_counted: boolean
          listing_id: string | null
          organization_id: string
          uninstalled_at: string | null
          updated_at: string
        }
        Insert: {
          agent_version_id?: string | null
          cloned_agent_id?: string | null
          id?: string
          installed_at?: string
          installed_by_id?: string | null
          is_counted?: boolean
          listing_id?: string | null
          organization_id: string
          uninstalled_at?: string | null
          updated_at?: string
        }
        Update: {
          agent_version_id?: string | null
          cloned_agent_id?: string | null
          id?: string
          installed_at?: string
          installed_by_id?: string | null
          is_counted?: boolean
          listing_id?: string | null
          organization_id?: string
          uninstalled_at?: string | null
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: "marketplace_installs_agent_version_id_fkey"
            columns: ["agent_version_id"]
            referencedRelation: "agent_versions"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "marketplace_installs_cloned_agent_id_organization_id_fkey"
            columns: ["cloned_agent_id", "organization_id"]
            referencedRelation: "agent_access"
            referencedColumns: ["agent_id", "organization_id"]
          },
          {
            foreignKeyName: "marketplace_installs_cloned_agent_id_organization_id_fkey"
            columns: ["cloned_agent_id", "organization_id"]
            referencedRelation: "agents"
            referencedColumns: ["id", "organization_id"]
          },
          {
            foreignKeyName: "marketplace_installs_installed_by_id_fkey"
            columns: ["installed_by_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "marketplace_installs_listing_id_fkey"
            columns: ["listing_id"]
            referencedRelation: "marketplace_listings"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "marketplace_installs_organization_id_fkey"
            columns: ["organization_id"]
            referencedRelation: "organizations"
            referencedColumns: ["id"]
          },
        ]
      }
      marketplace_listings: {
        Row: {
          agent_id: string
          average_rating: number | null
          category: string | null
          created_at: string
          demo_video_url: string | null
          featured_at: string | null
          icon_url: string | null
          id: string
          industry_id: string | null
          install_sort: number
          is_featured: boolean
          is_live: boolean
          is_verified: boolean
          live_revision_id: string | null
          long_description: string | null
          organization_id: string
          parameters: NonNullable<Json>
          price_usd: number | null
          pricing_model: Database["public"]["Enums"]["pricing_model"]
          published_at: string | null
          rating_sort: number
          review_notes: string | null
          screenshots: string[]
          search: unknown
          short_description: string | null
          status: string
          suspended_from: string | null
          tags: string[]
          title: string | null
          trending_score: number
          updated_at: string
          use_case: string | null
          publisher:
            | Database["public"]["CompositeTypes"]["listing_publisher"]
            | null
          stats: {
            agent_id: string | null
            avg_rating: number | null
            favorite_count: number | null
            fork_count: number | null
            install_count: number | null
            rating_count: number | null
            share_count: number | null
            total_uses: number | null
            view_count: number | null
          } | null
        }
        Insert: {
          agent_id: string
          average_rating?: number | null
          category?: string | null
          created_at?: string
          demo_video_url?: string | null
          featured_at?: string | null
          icon_url?: string | null
          id?: string
          industry_id?: string | null
          install_sort?: number
          is_featured?: boolean
          is_live?: boolean
          is_verified?: boolean
          live_revision_id?: string | null
          long_description?: string | null
          organization_id: string
          parameters?: NonNullable<Json>
          price_usd?: number | null
          pricing_model?: Database["public"]["Enums"]["pricing_model"]
          published_at?: string | null
          rating_sort?: number
          review_notes?: string | null
          screenshots?: string[]
          search?: unknown
          short_description?: string | null
          status?: string
          suspended_from?: string | null
          tags?: string[]
          title?: string | null
          trending_score?: number
          updated_at?: string
          use_case?: string | null
        }
        Update: {
          agent_id?: string
          average_rating?: number | null
          category?: string | null
          created_at?: string
          demo_video_url?: string | null
          featured_at?: string | null
          icon_url?: string | null
          id?: string
          industry_id?: string | null
          install_sort?: number
          is_featured?: boolean
          is_live?: boolean
          is_verified?: boolean
          live_revision_id?: string | null
          long_description?: string | null
          organization_id?: string
          parameters?: NonNullable<Json>
          price_usd?: number | null
          pricing_model?: Database["public"]["Enums"]["pricing_model"]
          published_at?: string | null
          rating_sort?: number
          review_notes?: string | null
          screenshots?: string[]
          search?: unknown
          short_description?: string | null
          status?: string
          suspended_from?: string | null
          tags?: string[]
          title?: string | null
          trending_score?: number
          updated_at?: string
          use_case?: string | null
        }
        Relationships: [
          {
            foreignKeyName: "marketplace_listings_agent_id_organization_id_fkey"
            columns: ["agent_id", "organization_id"]
            referencedRelation: "agent_access"
            referencedColumns: ["agent_id", "organization_id"]
          },
          {
            foreignKeyName: "marketplace_listings_agent_id_organization_id_fkey"
            columns: ["agent_id", "organization_id"]
            referencedRelation: "agents"
            referencedColumns: ["id", "organization_id"]
          },
          {
            foreignKeyName: "marketplace_listings_industry_id_fkey"
            columns: ["industry_id"]
            referencedRelation: "industries"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "marketplace_listings_live_revision_id_id_fkey"
            columns: ["live_revision_id", "id"]
            referencedRelation: "listing_revisions"
            referencedColumns: ["id", "listing_id"]
          },
        ]
      }
      mcp_servers: {
        Row: {
          agent_id: string
          args: NonNullable<Json>
          command: string | null
          config: NonNullable<Json>
          created_at: string
          enabled: boolean
          env_vars: NonNullable<Json>
          id: string
          name: string
          transport: Database["public"]["Enums"]["mcp_transport"]
          updated_at: string
          url: string | null
        }
        Insert: {
          agent_id: string
          args?: NonNullable<Json>
          command?: string | null
          config?: NonNullable<Json>
          created_at?: string
          enabled?: boolean
          env_vars?: NonNullable<Json>
          id?: string
          name: string
          transport: Database["public"]["Enums"]["mcp_transport"]
          updated_at?: string
          url?: string | null
        }
        Update: {
          agent_id?: string
          args?: NonNullable<Json>
          command?: string | null
          config?: NonNullable<Json>
          created_at?: string
          enabled?: boolean
          env_vars?: NonNullable<Json>
          id?: string
          name?: string
          transport?: Database["public"]["Enums"]["mcp_transport"]
          updated_at?: string
          url?: string | null
        }
        Relationships: [
          {
            foreignKeyName: "mcp_servers_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agent_access"
            referencedColumns: ["agent_id"]
          },
          {
            foreignKeyName: "mcp_servers_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agent_activity"
            referencedColumns: ["agent_id"]
          },
          {
            foreignKeyName: "mcp_servers_agent_id_fkey"
            columns: ["agent_id"]
            referencedRelation: "agents"
            referencedColumns: ["id"]
          },
        ]
      }
      messages: {
        Row: {
          attachments: NonNullable<Json>
          content: string
          conversation_id: string
          created_at: string
          execution_id: string | null
          feedback: Database["public"]["Enums"]["message_feedback"] | null
          feedback_note: string | null
          id: string
          sender_type: Database["public"]["Enums"]["message_sender"]
          sequence_number: number
          updated_at: string
          execution: {
            agent_id: string | null
            agent_version_id: string | null
            attempt: number
            completed_at: string | null
            completion_tokens: number
            conversation_id: string | null
            cost_usd: number | null
            created_at: string
            credited_agent_id: string | null
            error_code: string | null
            error_message: string | null
            id: string
            input: NonNullable<Json>
            latency_ms: number | null
            max_attempts: number
            organization_id: string
            output: Json | null
            parent_execution_id: string | null
            prompt_tokens: number
            reserved_usd: number
            resource_usage: Json | null
            retry_of_id: string | null
            session_id: string | null
            started_at: string | null
            status: string
            target_id: string
            target_type: string
            team_id: string | null
            timeout_seconds: number
            total_tokens: number
            trace_id: string
            trigger_source: string
            updated_at: string
            user_id: string
            workflow_id: string | null
            workflow_version_id: string | null
          } | null
        }
        Insert: {
          attachments?: NonNullable<Json>
          content: string
          conversation_id: string
          created_at?: string
          execution_id?: string | null
          feedback?: Database["public"]["Enums"]["message_feedback"] | null
          feedback_note?: string | null
          id?: string
          sender_type: Database["public"]["Enums"]["message_sender"]
          sequence_number: number
          updated_at?: string
        }
        Update: {
          attachments?: NonNullable<Json>
          content?: string
          conversation_id?: string
          created_at?: string
          execution_id?: string | null
          feedback?: Database["public"]["Enums"]["message_feedback"] | null
          feedback_note?: string | null
          id?: string
          sender_type?: Database["public"]["Enums"]["message_sender"]
          sequence_number?: number
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: "messages_conversation_id_fkey"
            columns: ["conversation_id"]
            referencedRelation: "conversations"
            referencedColumns: ["id"]
          },
        ]
      }
      models: {
        Row: {
          cached_input_usd_per_million: number
          context_window: number
          created_at: string
          id: string
          input_usd_per_million: number
          is_active: boolean
          is_offline: boolean
          long_prompt_input_factor: number
          long_prompt_output_factor: number
          long_prompt_tokens: number | null
          max_output_tokens: number
          name: string
          output_usd_per_million: number
          priced_at: string
          provider: string
          source_url: string | null
          title: string
          updated_at: string
        }
        Insert: {
          cached_input_usd_per_million: number
          context_window: number
          created_at?: string
          id?: never
          input_usd_per_million: number
          is_active?: boolean
          is_offline?: boolean
          long_prompt_input_factor?: number
          long_prompt_output_factor?: number
          long_prompt_tokens?: number | null
          max_output_tokens: number
          name: string
          output_usd_per_million: number
          priced_at: string
          provider: string
          source_url?: string | null
          title: string
          updated_at?: string
        }
        Update: {
          cached_input_usd_per_million?: number
          context_window?: number
          created_at?: string
          id?: never
          input_usd_per_million?: number
          is_active?: boolean
          is_offline?: boolean
          long_prompt_input_factor?: number
          long_prompt_output_factor?: number
          long_prompt_tokens?: number | null
          max_output_tokens?: number
          name?: string
          output_usd_per_million?: number
          priced_at?: string
          provider?: string
          source_url?: string | null
          title?: string
          updated_at?: string
        }
        Relationships: []
      }
      notifications: {
        Row: {
          created_at: string
          id: string
          kind: string
          payload: NonNullable<Json>
          read_at: string | null
          user_id: string
        }
        Insert: {
          created_at?: string
          id?: string
          kind: string
          payload?: NonNullable<Json>
          read_at?: string | null
          user_id: string
        }
        Update: {
          created_at?: string
          id?: string
          kind?: string
          payload?: NonNullable<Json>
          read_at?: string | null
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "notifications_user_id_fkey"
            columns: ["user_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
        ]
      }
      organization_invitations: {
        Row: {
          accepted_at: string | null
          created_at: string
          email: string
          expires_at: string
          id: string
          invited_by_id: string | null
          organization_id: string
          revoked_at: string | null
          role: Database["public"]["Enums"]["org_role"]
          updated_at: string
        }
        Insert: {
          accepted_at?: string | null
          created_at?: string
          email: string
          expires_at?: string
          id?: string
          invited_by_id?: string | null
          organization_id: string
          revoked_at?: string | null
          role?: Database["public"]["Enums"]["org_role"]
          updated_at?: string
        }
        Update: {
          accepted_at?: string | null
          created_at?: string
          email?: string
          expires_at?: string
          id?: string
          invited_by_id?: string | null
          organization_id?: string
          revoked_at?: string | null
          role?: Database["public"]["Enums"]["org_role"]
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: "organization_invitations_invited_by_id_fkey"
            columns: ["invited_by_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "organization_invitations_organization_id_fkey"
            columns: ["organization_id"]
            referencedRelation: "organizations"
            referencedColumns: ["id"]
          },
        ]
      }
      organization_members: {
        Row: {
          created_at: string
          organization_id: string
          role: Database["public"]["Enums"]["org_role"]
          updated_at: string
          user_id: string
        }
        Insert: {
          created_at?: string
          organization_id: string
          role?: Database["public"]["Enums"]["org_role"]
          updated_at?: string
          user_id: string
        }
        Update: {
          created_at?: string
          organization_id?: string
          role?: Database["public"]["Enums"]["org_role"]
          updated_at?: string
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "organization_members_organization_id_fkey"
            columns: ["organization_id"]
            referencedRelation: "organizations"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "organization_members_user_id_fkey"
            columns: ["user_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
        ]
      }
      organizations: {
        Row: {
          created_at: string
          deleted_at: string | null
          id: string
          is_personal: boolean
          logo_url: string | null
          max_agents: number
          max_executions_per_month: number
          max_team_members: number
          monthly_budget_usd: number | null
          name: string
          plan: string
          settings: NonNullable<Json>
          slug: string
          updated_at: string
        }
        Insert: {
          created_at?: string
          deleted_at?: string | null
          id?: string
          is_personal?: boolean
          logo_url?: string | null
          max_agents?: number
          max_executions_per_month?: number
          max_team_members?: number
          monthly_budget_usd?: number | null
          name: string
          plan?: string
          settings?: NonNullable<Json>
          slug: string
          updated_at?: string
        }
        Update: {
          created_at?: string
          deleted_at?: string | null
          id?: string
          is_personal?: boolean
          logo_url?: string | null
          max_agents?: number
          max_executions_per_month?: number
          max_team_members?: number
          monthly_budget_usd?: number | null
          name?: string
          plan?: string
          settings?: NonNullable<Json>
          slug?: string
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: "plan_exists"
            columns: ["plan"]
            referencedRelation: "plans"
            referencedColumns: ["name"]
          },
        ]
      }
      plans: {
        Row: {
          created_at: string
          description: string
          display_order: number
          is_active: boolean
          max_agents: number
          max_executions_per_month: number
          max_team_members: number
          name: string
          price_usd_per_month: number | null
          title: string
          updated_at: string
          usd_per_execution: number
          usd_per_gb_month: number
        }
        Insert: {
          created_at?: string
          description: string
          display_order: number
          is_active?: boolean
          max_agents: number
          max_executions_per_month: number
          max_team_members: number
          name: string
          price_usd_per_month?: number | null
          title: string
          updated_at?: string
          usd_per_execution?: number
          usd_per_gb_month?: number
        }
        Update: {
          created_at?: string
          description?: string
          display_order?: number
          is_active?: boolean
          max_agents?: number
          max_executions_per_month?: number
          max_team_members?: number
          name?: string
          price_usd_per_month?: number | null
          title?: string
          updated_at?: string
          usd_per_execution?: number
          usd_per_gb_month?: number
        }
        Relationships: []
      }
      profiles: {
        Row: {
          avatar_url: string | null
          bio: string | null
          company: string | null
          created_at: string
          deleted_at: string | null
          full_name: string | null
          id: string
          is_active: boolean
          is_superuser: boolean
          updated_at: string
          username: string
        }
        Insert: {
          avatar_url?: string | null
          bio?: string | null
          company?: string | null
          created_at?: string
          deleted_at?: string | null
          full_name?: string | null
          id: string
          is_active?: boolean
          is_superuser?: boolean
          updated_at?: string
          username: string
        }
        Update: {
          avatar_url?: string | null
          bio?: string | null
          company?: string | null
          created_at?: string
          deleted_at?: string | null
          full_name?: string | null
          id?: string
          is_active?: boolean
          is_superuser?: boolean
          updated_at?: string
          username?: string
        }
        Relationships: []
      }
      purchases: {
        Row: {
          amount_usd: number
          bought_by_id: string | null
          created_at: string
          id: string
          listing_id: string | null
          organization_id: string
          paid_at: string | null
          status: string
          stripe_reference: string | null
          updated_at: string
        }
        Insert: {
          amount_usd: number
          bought_by_id?: string | null
          created_at?: string
          id?: string
          listing_id?: string | null
          organization_id: string
          paid_at?: string | null
          status?: string
          stripe_reference?: string | null
          updated_at?: string
        }
        Update: {
          amount_usd?: number
          bought_by_id?: string | null
          created_at?: string
          id?: string
          listing_id?: string | null
          organization_id?: string
          paid_at?: string | null
          status?: string
          stripe_reference?: string | null
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: "purchases_bought_by_id_fkey"
            columns: ["bought_by_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "purchases_listing_id_fkey"
            columns: ["listing_id"]
            referencedRelation: "marketplace_listings"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "purchases_organization_id_fkey"
            columns: ["organization_id"]
            referencedRelation: "organizations"
            referencedColumns: ["id"]
          },
        ]
      }
      review_reports: {
        Row: {
          created_at: string
          decided_at: string | null
          decided_by_id: string | null
          id: string
          reason: string
          review_id: string
          status: string
          user_id: string
        }
        Insert: {
          created_at?: string
          decided_at?: string | null
          decided_by_id?: string | null
          id?: string
          reason: string
          review_id: string
          status?: string
          user_id?: string
        }
        Update: {
          created_at?: string
          decided_at?: string | null
          decided_by_id?: string | null
          id?: string
          reason?: string
          review_id?: string
          status?: string
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "review_reports_decided_by_id_fkey"
            columns: ["decided_by_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "review_reports_review_id_fkey"
            columns: ["review_id"]
            referencedRelation: "agent_reviews"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "review_reports_user_id_fkey"
            columns: ["user_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
        ]
      }
      schedule_runs: {
        Row: {
          created_at: string
          due_at: string
          error_code: string | null
          error_message: string | null
          execution_id: string | null
          outcome: string
          schedule_id: string
        }
        Insert: {
          created_at?: string
          due_at: string
          error_code?: string | null
          error_message?: string | null
          execution_id?: string | null
          outcome: string
          schedule_id: string
        }
        Update: {
          created_at?: string
          due_at?: string
          error_code?: string | null
          error_message?: string | null
          execution_id?: string | null
          outcome?: string
          schedule_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "schedule_runs_schedule_id_fkey"
            columns: ["schedule_id"]
            referencedRelation: "schedules"
            referencedColumns: ["id"]
          },
        ]
      }
      schedules: {
        Row: {
          agent_id: string | null
          consecutive_failures: number
          created_at: string
          created_by_id: string
          day_of_month: number | null
          days_of_week: number[] | null
          enabled: boolean
          ends_at: string | null
          frequency: Database["public"]["Enums"]["schedule_frequency"]
          id: string
          input: NonNullable<Json>
          interval: number
          last_run_at: string | null
          name: string
          next_run_at: string | null
          organization_id: string
          overlap: Database["public"]["Enums"]["schedule_overlap"]
          starts_at: string
          team_id: string | null
          time_of_day: string | null
          timezone: string
          updated_at: string
          workflow_id: string | null
        }
        Insert: {
          agent_id?: string | null
          consecutive_failures?: number
          created_at?: string
          created_by_id?: string
          day_of_month?: number | null
          days_of_week?: number[] | null
          enabled?: boolean
          ends_at?: string | null
          frequency: Database["public"]["Enums"]["schedule_frequency"]
          id?: string
          input?: NonNullable<Json>
          interval?: number
          last_run_at?: string | null
          name: string
          next_run_at?: string | null
          organization_id: string
          overlap?: Database["public"]["Enums"]["schedule_overlap"]
          starts_at?: string
          team_id?: string | null
          time_of_day?: string | null
          timezone?: string
          updated_at?: string
          workflow_id?: string | null
        }
        Update: {
          agent_id?: string | null
          consecutive_failures?: number
          created_at?: string
          created_by_id?: string
          day_of_month?: number | null
          days_of_week?: number[] | null
          enabled?: boolean
          ends_at?: string | null
          frequency?: Database["public"]["Enums"]["schedule_frequency"]
          id?: string
          input?: NonNullable<Json>
          interval?: number
          last_run_at?: string | null
          name?: string
          next_run_at?: string | null
          organization_id?: string
          overlap?: Database["public"]["Enums"]["schedule_overlap"]
          starts_at?: string
          team_id?: string | null
          time_of_day?: string | null
          timezone?: string
          updated_at?: string
          workflow_id?: string | null
        }
        Relationships: [
          {
            foreignKeyName: "schedules_agent_id_organization_id_fkey"
            columns: ["agent_id", "organization_id"]
            referencedRelation: "agent_access"
            referencedColumns: ["agent_id", "organization_id"]
          },
          {
            foreignKeyName: "schedules_agent_id_organization_id_fkey"
            columns: ["agent_id", "organization_id"]
            referencedRelation: "agents"
            referencedColumns: ["id", "organization_id"]
          },
          {
            foreignKeyName: "schedules_created_by_id_fkey"
            columns: ["created_by_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "schedules_organization_id_fkey"
            columns: ["organization_id"]
            referencedRelation: "organizations"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "schedules_team_id_organization_id_fkey"
            columns: ["team_id", "organization_id"]
            referencedRelation: "teams"
            referencedColumns: ["id", "organization_id"]
          },
          {
            foreignKeyName: "schedules_workflow_id_organization_id_fkey"
            columns: ["workflow_id", "organization_id"]
            referencedRelation: "workflows"
            referencedColumns: ["id", "organization_id"]
          },
        ]
      }
      settings: {
        Row: {
          created_at: string
          created_by_id: string | null
          id: string
          name: string
          organization_id: string | null
          slug: string
          updated_at: string
          value: NonNullable<Json>
        }
        Insert: {
          created_at?: string
          created_by_id?: string | null
          id?: string
          name: string
          organization_id?: string | null
          slug: string
          updated_at?: string
          value?: NonNullable<Json>
        }
        Update: {
          created_at?: string
          created_by_id?: string | null
          id?: string
          name?: string
          organization_id?: string | null
          slug?: string
          updated_at?: string
          value?: NonNullable<Json>
        }
        Relationships: [
          {
            foreignKeyName: "settings_created_by_id_fkey"
            columns: ["created_by_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "settings_organization_id_fkey"
            columns: ["organization_id"]
            referencedRelation: "organizations"
            referencedColumns: ["id"]
          },
        ]
      }
      subscriptions: {
        Row: {
          cancel_at: string | null
          cancellation_reason: string | null
          cancelled_at: string | null
          created_at: string
          current_period_end: string | null
          current_period_start: string | null
          id: string
          organization_id: string
          plan: string
          status: string
          stripe_customer_id: string
          stripe_subscription_id: string
          trial_end: string | null
          trial_start: string | null
          updated_at: string
        }
        Insert: {
          cancel_at?: string | null
          cancellation_reason?: string | null
          cancelled_at?: string | null
          created_at?: string
          current_period_end?: string | null
          current_period_start?: string | null
          id?: string
          organization_id: string
          plan: string
          status: string
          stripe_customer_id: string
          stripe_subscription_id: string
          trial_end?: string | null
          trial_start?: string | null
          updated_at?: string
        }
        Update: {
          cancel_at?: string | null
          cancellation_reason?: string | null
          cancelled_at?: string | null
          created_at?: string
          current_period_end?: string | null
          current_period_start?: string | null
          id?: string
          organization_id?: string
          plan?: string
          status?: string
          stripe_customer_id?: string
          stripe_subscription_id?: string
          trial_end?: string | null
          trial_start?: string | null
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: "subscriptions_organization_id_fkey"
            columns: ["organization_id"]
            referencedRelation: "organizations"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "subscriptions_plan_fkey"
            columns: ["plan"]
            referencedRelation: "plans"
            referencedColumns: ["name"]
          },
        ]
      }
      team_agents: {
        Row: {
          agent_id: string
          created_at: string
          organization_id: string
          position: number
          team_id: string
        }
        Insert: {
          agent_id: string
          created_at?: string
          organization_id?: string
          position: number
          team_id: string
        }
        Update: {
          agent_id?: string
          created_at?: string
          organization_id?: string
          position?: number
          team_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "team_agents_agent_id_organization_id_fkey"
            columns: ["agent_id", "organization_id"]
            referencedRelation: "agent_access"
            referencedColumns: ["agent_id", "organization_id"]
          },
          {
            foreignKeyName: "team_agents_agent_id_organization_id_fkey"
            columns: ["agent_id", "organization_id"]
            referencedRelation: "agents"
            referencedColumns: ["id", "organization_id"]
          },
          {
            foreignKeyName: "team_agents_team_id_organization_id_fkey"
            columns: ["team_id", "organization_id"]
            referencedRelation: "teams"
            referencedColumns: ["id", "organization_id"]
          },
        ]
      }
      teams: {
        Row: {
          created_at: string
          created_by_id: string
          deleted_at: string | null
          description: string
          id: string
          leader_model: string
          leader_prompt: string
          name: string
          organization_id: string
          slug: string
          type: Database["public"]["Enums"]["team_type"]
          updated_at: string
        }
        Insert: {
          created_at?: string
          created_by_id?: string
          deleted_at?: string | null
          description?: string
          id?: string
          leader_model?: string
          leader_prompt?: string
          name: string
          organization_id: string
          slug?: string
          type: Database["public"]["Enums"]["team_type"]
          updated_at?: string
        }
        Update: {
          created_at?: string
          created_by_id?: string
          deleted_at?: string | null
          description?: string
          id?: string
          leader_model?: string
          leader_prompt?: string
          name?: string
          organization_id?: string
          slug?: string
          type?: Database["public"]["Enums"]["team_type"]
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: "teams_created_by_id_fkey"
            columns: ["created_by_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "teams_organization_id_fkey"
            columns: ["organization_id"]
            referencedRelation: "organizations"
            referencedColumns: ["id"]
          },
        ]
      }
      tokens: {
        Row: {
          created_at: string
          id: string
          key: string
          organization_id: string | null
          updated_at: string
          user_id: string | null
        }
        Insert: {
          created_at?: string
          id?: string
          key: string
          organization_id?: string | null
          updated_at?: string
          user_id?: string | null
        }
        Update: {
          created_at?: string
          id?: string
          key?: string
          organization_id?: string | null
          updated_at?: string
          user_id?: string | null
        }
        Relationships: [
          {
            foreignKeyName: "tokens_organization_id_fkey"
            columns: ["organization_id"]
            referencedRelation: "organizations"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "tokens_user_id_fkey"
            columns: ["user_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
        ]
      }
      tools: {
        Row: {
          config: NonNullable<Json>
          created_at: string
          created_by_id: string | null
          description: string
          id: string
          input_schema: NonNullable<Json>
          is_active: boolean
          name: string
          organization_id: string | null
          output_schema: Json | null
          requires_approval: boolean
          tool_type: Database["public"]["Enums"]["tool_type"]
          updated_at: string
        }
        Insert: {
          config?: NonNullable<Json>
          created_at?: string
          created_by_id?: string | null
          description?: string
          id?: string
          input_schema?: NonNullable<Json>
          is_active?: boolean
          name: string
          organization_id?: string | null
          output_schema?: Json | null
          requires_approval?: boolean
          tool_type: Database["public"]["Enums"]["tool_type"]
          updated_at?: string
        }
        Update: {
          config?: NonNullable<Json>
          created_at?: string
          created_by_id?: string | null
          description?: string
          id?: string
          input_schema?: NonNullable<Json>
          is_active?: boolean
          name?: string
          organization_id?: string | null
          output_schema?: Json | null
          requires_approval?: boolean
          tool_type?: Database["public"]["Enums"]["tool_type"]
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: "tools_created_by_id_fkey"
            columns: ["created_by_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "tools_organization_id_fkey"
            columns: ["organization_id"]
            referencedRelation: "organizations"
            referencedColumns: ["id"]
          },
        ]
      }
      usage_records: {
        Row: {
          api_calls_count: number
          created_at: string
          execution_cost_usd: number
          executions_count: number
          id: string
          organization_id: string
          period_end: string
          period_start: string
          storage_bytes: number
          storage_cost_usd: number
          token_cost_usd: number
          tokens_used: number
          total_cost_usd: number
          updated_at: string
          usd_per_execution: number
          usd_per_gb_month: number
        }
        Insert: {
          api_calls_count?: number
          created_at?: string
          execution_cost_usd?: number
          executions_count?: number
          id?: string
          organization_id: string
          period_end: string
          period_start: string
          storage_bytes?: number
          storage_cost_usd?: number
          token_cost_usd?: number
          tokens_used?: number
          total_cost_usd?: never
          updated_at?: string
          usd_per_execution?: number
          usd_per_gb_month?: number
        }
        Update: {
          api_calls_count?: number
          created_at?: string
          execution_cost_usd?: number
          executions_count?: number
          id?: string
          organization_id?: string
          period_end?: string
          period_start?: string
          storage_bytes?: number
          storage_cost_usd?: number
          token_cost_usd?: number
          tokens_used?: number
          total_cost_usd?: never
          updated_at?: string
          usd_per_execution?: number
          usd_per_gb_month?: number
        }
        Relationships: []
      }
      webhook_deliveries: {
        Row: {
          attempt_number: number
          created_at: string
          delivered_at: string | null
          event_type: string
          id: string
          next_retry_at: string | null
          organization_id: string
          payload: NonNullable<Json>
          response_body: string | null
          response_status_code: number | null
          status: string
          webhook_id: string
        }
        Insert: {
          attempt_number?: number
          created_at?: string
          delivered_at?: string | null
          event_type: string
          id?: string
          next_retry_at?: string | null
          organization_id: string
          payload: NonNullable<Json>
          response_body?: string | null
          response_status_code?: number | null
          status?: string
          webhook_id: string
        }
        Update: {
          attempt_number?: number
          created_at?: string
          delivered_at?: string | null
          event_type?: string
          id?: string
          next_retry_at?: string | null
          organization_id?: string
          payload?: NonNullable<Json>
          response_body?: string | null
          response_status_code?: number | null
          status?: string
          webhook_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "webhook_deliveries_webhook_id_fkey"
            columns: ["webhook_id"]
            referencedRelation: "webhooks"
            referencedColumns: ["id"]
          },
        ]
      }
      webhooks: {
        Row: {
          created_at: string
          events: string[]
          failed_deliveries: number
          failing_since: string | null
          id: string
          is_active: boolean
          last_delivery_at: string | null
          last_delivery_status: string | null
          organization_id: string
          successful_deliveries: number
          total_deliveries: number
          updated_at: string
          url: string
        }
        Insert: {
          created_at?: string
          events: string[]
          failed_deliveries?: number
          failing_since?: string | null
          id?: string
          is_active?: boolean
          last_delivery_at?: string | null
          last_delivery_status?: string | null
          organization_id: string
          successful_deliveries?: number
          total_deliveries?: number
          updated_at?: string
          url: string
        }
        Update: {
          created_at?: string
          events?: string[]
          failed_deliveries?: number
          failing_since?: string | null
          id?: string
          is_active?: boolean
          last_delivery_at?: string | null
          last_delivery_status?: string | null
          organization_id?: string
          successful_deliveries?: number
          total_deliveries?: number
          updated_at?: string
          url?: string
        }
        Relationships: [
          {
            foreignKeyName: "webhooks_organization_id_fkey"
            columns: ["organization_id"]
            referencedRelation: "organizations"
            referencedColumns: ["id"]
          },
        ]
      }
      workflow_versions: {
        Row: {
          created_at: string
          created_by_id: string
          definition: NonNullable<Json>
          id: string
          organization_id: string
          version: number
          workflow_id: string
        }
        Insert: {
          created_at?: string
          created_by_id: string
          definition: NonNullable<Json>
          id?: string
          organization_id: string
          version: number
          workflow_id: string
        }
        Update: {
          created_at?: string
          created_by_id?: string
          definition?: NonNullable<Json>
          id?: string
          organization_id?: string
          version?: number
          workflow_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "workflow_versions_created_by_id_fkey"
            columns: ["created_by_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "workflow_versions_workflow_id_organization_id_fkey"
            columns: ["workflow_id", "organization_id"]
            referencedRelation: "workflows"
            referencedColumns: ["id", "organization_id"]
          },
        ]
      }
      workflows: {
        Row: {
          created_at: string
          created_by_id: string
          definition: NonNullable<Json>
          deleted_at: string | null
          description: string
          id: string
          is_active: boolean
          name: string
          organization_id: string
          slug: string
          updated_at: string
          version: number
        }
        Insert: {
          created_at?: string
          created_by_id?: string
          definition: NonNullable<Json>
          deleted_at?: string | null
          description?: string
          id?: string
          is_active?: boolean
          name: string
          organization_id: string
          slug?: string
          updated_at?: string
          version?: number
        }
        Update: {
          created_at?: string
          created_by_id?: string
          definition?: NonNullable<Json>
          deleted_at?: string | null
          description?: string
          id?: string
          is_active?: boolean
          name?: string
          organization_id?: string
          slug?: string
          updated_at?: string
          version?: number
        }
        Relationships: [
          {
            foreignKeyName: "workflows_created_by_id_fkey"
            columns: ["created_by_id"]
            referencedRelation: "profiles"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "workflows_organization_id_fkey"
            columns: ["organization_id"]
            referencedRelation: "organizations"
            referencedColumns: ["id"]
          },
        ]
      }
    }
    Views: {
      agent_access: {
        Row: {
          agent_id: string | null
          can_edit: boolean | null
          can_inspect: boolean | null
          can_manage: boolean | null
          can_run: boolean | null
          organization_id: string | null
        }
        Insert: {
          agent_id?: string | null
          can_edit?: never
          can_inspect?: never
          can_manage?: never
          can_run?: never
          organization_id?: string | null
        }
        Update: {
          agent_id?: string | null
          can_edit?: never
          can_inspect?: never
          can_manage?: never
          can_run?: never
          organization_id?: string | null
        }
        Relationships: [
          {
            foreignKeyName: "agents_organization_id_fkey"
            columns: ["organization_id"]
            referencedRelation: "organizations"
            referencedColumns: ["id"]
          },
        ]
      }
      agent_activity: {
        Row: {
          agent_id: string | null
          count: number | null
          day: string | null
          event_type: string | null
        }
        Relationships: []
      }
      agent_stats: {
        Row: {
          agent_id: string | null
          avg_rating: number | null
          favorite_count: number | null
          fork_count: number | null
          install_count: number | null
          rating_count: number | null
          share_count: number | null
          total_uses: number | null
          view_count: number | null
        }
        Relationships: []
      }
      execution_usage: {
        Row: {
          completed_at: string | null
          completion_tokens: number | null
          cost_usd: number | null
          created_at: string | null
          error_code: string | null
          id: string | null
          latency_ms: number | null
          organization_id: string | null
          prompt_tokens: number | null
          started_at: string | null
          status: string | null
          target_id: string | null
          target_type: string | null
          total_tokens: number | null
          trigger_source: string | null
          user_id: string | null
        }
        Relationships: []
      }
    }
    Functions: {
      accept_invitation: {
        Args: { token: string }
        Returns: {
          created_at: string
          organization_id: string
          role: Database["public"]["Enums"]["org_role"]
          updated_at: string
          user_id: string
        }
        SetofOptions: {
          from: "*"
          to: "organization_members"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      agent: {
        Args: { execution: Database["public"]["Tables"]["executions"]["Row"] }
        Returns: {
          agent_type: Database["public"]["Enums"]["agent_type"]
          avatar_url: string | null
          category: string | null
          configuration: NonNullable<Json>
          created_at: string
          created_by_id: string
          current_version_id: string | null
          deleted_at: string | null
          description: string
          external_key: string | null
          forked_from_agent_id: string | null
          forked_from_version_id: string | null
          icon: string | null
          id: string
          is_active: boolean
          is_custom: boolean
          max_tokens: number | null
          memory_enabled: boolean
          memory_type: Database["public"]["Enums"]["agent_memory_type"]
          model: string
          name: string
          organization_id: string
          published_at: string | null
          settings_id: string | null
          slug: string
          status: string
          system_prompt: string
          temperature: number | null
          updated_at: string
          user_prompt_template: string | null
          visibility: Database["public"]["Enums"]["agent_visibility"]
        }
        SetofOptions: {
          from: "executions"
          to: "agents"
          isOneToOne: true
          isSetofReturn: true
        }
      }
      agent_version: {
        Args: { execution: Database["public"]["Tables"]["executions"]["Row"] }
        Returns: {
          agent_config: NonNullable<Json>
          agent_id: string
          changelog: string | null
          created_at: string
          created_by_id: string
          execution_environment: NonNullable<Json>
          id: string
          is_published: boolean
          max_tokens: number | null
          mcp_servers: NonNullable<Json>
          memory_enabled: boolean
          memory_type: Database["public"]["Enums"]["agent_memory_type"]
          metadata: NonNullable<Json>
          model: string
          name: string
          organization_id: string
          parameters: NonNullable<Json>
          prompt_config: NonNullable<Json>
          revision_name: string | null
          settings_id: string | null
          system_prompt: string
          temperature: number | null
          tools: NonNullable<Json>
          user_prompt_template: string | null
          variables: NonNullable<Json>
          version: string | null
          version_number: number | null
        }
        SetofOptions: {
          from: "executions"
          to: "agent_versions"
          isOneToOne: true
          isSetofReturn: true
        }
      }
      apply_stripe_event: { Args: { event: Json }; Returns: string }
      cancel_execution: {
        Args: { execution_id: string }
        Returns: {
          agent_id: string | null
          agent_version_id: string | null
          attempt: number
          completed_at: string | null
          completion_tokens: number
          conversation_id: string | null
          cost_usd: number | null
          created_at: string
          credited_agent_id: string | null
          error_code: string | null
          error_message: string | null
          id: string
          input: NonNullable<Json>
          latency_ms: number | null
          max_attempts: number
          organization_id: string
          output: Json | null
          parent_execution_id: string | null
          prompt_tokens: number
          reserved_usd: number
          resource_usage: Json | null
          retry_of_id: string | null
          session_id: string | null
          started_at: string | null
          status: string
          target_id: string
          target_type: string
          team_id: string | null
          timeout_seconds: number
          total_tokens: number
          trace_id: string
          trigger_source: string
          updated_at: string
          user_id: string
          workflow_id: string | null
          workflow_version_id: string | null
        }
        SetofOptions: {
          from: "*"
          to: "executions"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      connect_integration: {
        Args: {
          credentials: Json
          organization_id: string
          provider: string
          provider_account_id: string
          provider_account_name?: string
          refresh_token_expires_at?: string
          scopes?: string[]
          token_expires_at?: string
        }
        Returns: {
          created_at: string
          id: string
          last_error: string | null
          last_used_at: string | null
          organization_id: string
          provider: string
          provider_account_id: string
          provider_account_name: string | null
          refresh_token_expires_at: string | null
          scopes: string[]
          status: string
          token_expires_at: string | null
          updated_at: string
          user_id: string
        }
        SetofOptions: {
          from: "*"
          to: "integrations"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      create_api_key: {
        Args: {
          expires_at?: string
          name: string
          organization_id: string
          rate_limit?: number
          scopes: string[]
        }
        Returns: {
          id: string
          key: string
        }[]
      }
      create_organization: {
        Args: { name: string; slug?: string }
        Returns: {
          created_at: string
          deleted_at: string | null
          id: string
          is_personal: boolean
          logo_url: string | null
          max_agents: number
          max_executions_per_month: number
          max_team_members: number
          monthly_budget_usd: number | null
          name: string
          plan: string
          settings: NonNullable<Json>
          slug: string
          updated_at: string
        }
        SetofOptions: {
          from: "*"
          to: "organizations"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      create_webhook: {
        Args: { events: string[]; organization_id: string; url: string }
        Returns: {
          id: string
          secret: string
        }[]
      }
      current_usage: {
        Args: { organization_id: string }
        Returns: {
          api_calls_count: number
          created_at: string
          execution_cost_usd: number
          executions_count: number
          id: string
          organization_id: string
          period_end: string
          period_start: string
          storage_bytes: number
          storage_cost_usd: number
          token_cost_usd: number
          tokens_used: number
          total_cost_usd: number
          updated_at: string
          usd_per_execution: number
          usd_per_gb_month: number
        }
        SetofOptions: {
          from: "*"
          to: "usage_records"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      decide_approval: {
        Args: {
          approval_id: string
          approve: boolean
          edited_arguments?: Json
          note?: string
        }
        Returns: {
          arguments: NonNullable<Json>
          created_at: string
          decided_at: string | null
          decided_by_id: string | null
          edited_arguments: Json | null
          execution_id: string
          expires_at: string
          id: string
          note: string | null
          status: string
          tool: string
        }
        SetofOptions: {
          from: "*"
          to: "execution_approvals"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      delete_agent: {
        Args: { agent_id: string }
        Returns: {
          agent_type: Database["public"]["Enums"]["agent_type"]
          avatar_url: string | null
          category: string | null
          configuration: NonNullable<Json>
          created_at: string
          created_by_id: string
          current_version_id: string | null
          deleted_at: string | null
          description: string
          external_key: string | null
          forked_from_agent_id: string | null
          forked_from_version_id: string | null
          icon: string | null
          id: string
          is_active: boolean
          is_custom: boolean
          max_tokens: number | null
          memory_enabled: boolean
          memory_type: Database["public"]["Enums"]["agent_memory_type"]
          model: string
          name: string
          organization_id: string
          published_at: string | null
          settings_id: string | null
          slug: string
          status: string
          system_prompt: string
          temperature: number | null
          updated_at: string
          user_prompt_template: string | null
          visibility: Database["public"]["Enums"]["agent_visibility"]
        }
        SetofOptions: {
          from: "*"
          to: "agents"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      delete_my_account: {
        Args: Record<PropertyKey, never>
        Returns: undefined
      }
      delete_organization: {
        Args: { organization_id: string }
        Returns: {
          created_at: string
          deleted_at: string | null
          id: string
          is_personal: boolean
          logo_url: string | null
          max_agents: number
          max_executions_per_month: number
          max_team_members: number
          monthly_budget_usd: number | null
          name: string
          plan: string
          settings: NonNullable<Json>
          slug: string
          updated_at: string
        }
        SetofOptions: {
          from: "*"
          to: "organizations"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      delete_team: {
        Args: { team_id: string }
        Returns: {
          created_at: string
          created_by_id: string
          deleted_at: string | null
          description: string
          id: string
          leader_model: string
          leader_prompt: string
          name: string
          organization_id: string
          slug: string
          type: Database["public"]["Enums"]["team_type"]
          updated_at: string
        }
        SetofOptions: {
          from: "*"
          to: "teams"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      delete_token: {
        Args: { key: string; organization_id?: string }
        Returns: {
          created_at: string
          id: string
          key: string
          organization_id: string | null
          updated_at: string
          user_id: string | null
        }
        SetofOptions: {
          from: "*"
          to: "tokens"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      delete_workflow: {
        Args: { workflow_id: string }
        Returns: {
          created_at: string
          created_by_id: string
          definition: NonNullable<Json>
          deleted_at: string | null
          description: string
          id: string
          is_active: boolean
          name: string
          organization_id: string
          slug: string
          updated_at: string
          version: number
        }
        SetofOptions: {
          from: "*"
          to: "workflows"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      disconnect_integration: {
        Args: { integration_id: string }
        Returns: {
          created_at: string
          id: string
          last_error: string | null
          last_used_at: string | null
          organization_id: string
          provider: string
          provider_account_id: string
          provider_account_name: string | null
          refresh_token_expires_at: string | null
          scopes: string[]
          status: string
          token_expires_at: string | null
          updated_at: string
          user_id: string
        }
        SetofOptions: {
          from: "*"
          to: "integrations"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      execution: {
        Args: { message: Database["public"]["Tables"]["messages"]["Row"] }
        Returns: {
          agent_id: string | null
          agent_version_id: string | null
          attempt: number
          completed_at: string | null
          completion_tokens: number
          conversation_id: string | null
          cost_usd: number | null
          created_at: string
          credited_agent_id: string | null
          error_code: string | null
          error_message: string | null
          id: string
          input: NonNullable<Json>
          latency_ms: number | null
          max_attempts: number
          organization_id: string
          output: Json | null
          parent_execution_id: string | null
          prompt_tokens: number
          reserved_usd: number
          resource_usage: Json | null
          retry_of_id: string | null
          session_id: string | null
          started_at: string | null
          status: string
          target_id: string
          target_type: string
          team_id: string | null
          timeout_seconds: number
          total_tokens: number
          trace_id: string
          trigger_source: string
          updated_at: string
          user_id: string
          workflow_id: string | null
          workflow_version_id: string | null
        }
        SetofOptions: {
          from: "messages"
          to: "executions"
          isOneToOne: true
          isSetofReturn: true
        }
      }
      export_agent: { Args: { agent_id: string }; Returns: Json }
      export_my_data: { Args: Record<PropertyKey, never>; Returns: Json }
      fork_agent: {
        Args: { agent_id: string; organization_id: string }
        Returns: {
          agent_type: Database["public"]["Enums"]["agent_type"]
          avatar_url: string | null
          category: string | null
          configuration: NonNullable<Json>
          created_at: string
          created_by_id: string
          current_version_id: string | null
          deleted_at: string | null
          description: string
          external_key: string | null
          forked_from_agent_id: string | null
          forked_from_version_id: string | null
          icon: string | null
          id: string
          is_active: boolean
          is_custom: boolean
          max_tokens: number | null
          memory_enabled: boolean
          memory_type: Database["public"]["Enums"]["agent_memory_type"]
          model: string
          name: string
          organization_id: string
          published_at: string | null
          settings_id: string | null
          slug: string
          status: string
          system_prompt: string
          temperature: number | null
          updated_at: string
          user_prompt_template: string | null
          visibility: Database["public"]["Enums"]["agent_visibility"]
        }
        SetofOptions: {
          from: "*"
          to: "agents"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      has_unpublished_changes: {
        Args: { agent: Database["public"]["Tables"]["agents"]["Row"] }
        Returns: boolean
      }
      import_agent: {
        Args: { document: Json; dry_run?: boolean; organization_id: string }
        Returns: {
          agent_type: Database["public"]["Enums"]["agent_type"]
          avatar_url: string | null
          category: string | null
          configuration: NonNullable<Json>
          created_at: string
          created_by_id: string
          current_version_id: string | null
          deleted_at: string | null
          description: string
          external_key: string | null
          forked_from_agent_id: string | null
          forked_from_version_id: string | null
          icon: string | null
          id: string
          is_active: boolean
          is_custom: boolean
          max_tokens: number | null
          memory_enabled: boolean
          memory_type: Database["public"]["Enums"]["agent_memory_type"]
          model: string
          name: string
          organization_id: string
          published_at: string | null
          settings_id: string | null
          slug: string
          status: string
          system_prompt: string
          temperature: number | null
          updated_at: string
          user_prompt_template: string | null
          visibility: Database["public"]["Enums"]["agent_visibility"]
        }
        SetofOptions: {
          from: "*"
          to: "agents"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      import_agents: {
        Args: { documents: Json; dry_run?: boolean; organization_id: string }
        Returns: {
          agent_id: string
          code: string
          external_key: string
          message: string
          ordinal: number
          outcome: string
        }[]
      }
      inspect_revision: {
        Args: { revision_id: string }
        Returns: {
          agent_config: NonNullable<Json>
          agent_id: string
          changelog: string | null
          created_at: string
          created_by_id: string
          execution_environment: NonNullable<Json>
          id: string
          is_published: boolean
          max_tokens: number | null
          mcp_servers: NonNullable<Json>
          memory_enabled: boolean
          memory_type: Database["public"]["Enums"]["agent_memory_type"]
          metadata: NonNullable<Json>
          model: string
          name: string
          organization_id: string
          parameters: NonNullable<Json>
          prompt_config: NonNullable<Json>
          revision_name: string | null
          settings_id: string | null
          system_prompt: string
          temperature: number | null
          tools: NonNullable<Json>
          user_prompt_template: string | null
          variables: NonNullable<Json>
          version: string | null
          version_number: number | null
        }
        SetofOptions: {
          from: "*"
          to: "agent_versions"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      install_listing: {
        Args: { listing_id: string; organization_id: string; parameters?: Json }
        Returns: {
          agent_version_id: string | null
          cloned_agent_id: string | null
          id: string
          installed_at: string
          installed_by_id: string | null
          is_counted: boolean
          listing_id: string | null
          organization_id: string
          uninstalled_at: string | null
          updated_at: string
        }
        SetofOptions: {
          from: "*"
          to: "marketplace_installs"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      invite_member: {
        Args: {
          email: string
          organization_id: string
          role: Database["public"]["Enums"]["org_role"]
        }
        Returns: {
          id: string
          token: string
        }[]
      }
      leave_organization: {
        Args: { organization_id: string }
        Returns: undefined
      }
      list_deleted: {
        Args: { organization_id?: string }
        Returns: {
          deleted_at: string
          id: string
          kind: string
          name: string
          purge_at: string
        }[]
      }
      listing_facets: {
        Args: {
          category?: string
          industry_id?: string
          max_price?: number
          min_rating?: number
          pricing?: string[]
          query?: string
          tags?: string[]
          verified?: boolean
        }
        Returns: {
          count: number
          facet: string
          value: string
        }[]
      }
      match_memories: {
        Args: {
          agent_id: string
          embedding?: number[]
          match_count?: number
          query: string
          session_id?: string
          user_id?: string
        }
        Returns: {
          access_count: number
          agent_id: string
          content: string
          created_at: string
          embedding_model: string
          expires_at: string
          id: string
          importance_score: number
          last_accessed_at: string
          memory_type: string
          metadata: Json
          organization_id: string
          score: number
          session_id: string
          updated_at: string
          user_id: string
        }[]
      }
      my_account: {
        Args: Record<PropertyKey, never>
        Returns: {
          email: string
          email_verified_at: string
          id: string
          identities: Json
          last_login_at: string
          mfa_enabled: boolean
        }[]
      }
      my_sessions: {
        Args: Record<PropertyKey, never>
        Returns: {
          created_at: string
          device_name: string
          device_type: string
          expires_at: string
          id: string
          ip_address: unknown
          is_current: boolean
          user_agent: string
        }[]
      }
      preview_schedule: {
        Args: { count?: number; schedule_id: string }
        Returns: string[]
      }
      publish_agent_version: {
        Args: {
          agent_id: string
          changelog?: string
          revision_name?: string
          version?: string
        }
        Returns: {
          agent_config: NonNullable<Json>
          agent_id: string
          changelog: string | null
          created_at: string
          created_by_id: string
          execution_environment: NonNullable<Json>
          id: string
          is_published: boolean
          max_tokens: number | null
          mcp_servers: NonNullable<Json>
          memory_enabled: boolean
          memory_type: Database["public"]["Enums"]["agent_memory_type"]
          metadata: NonNullable<Json>
          model: string
          name: string
          organization_id: string
          parameters: NonNullable<Json>
          prompt_config: NonNullable<Json>
          revision_name: string | null
          settings_id: string | null
          system_prompt: string
          temperature: number | null
          tools: NonNullable<Json>
          user_prompt_template: string | null
          variables: NonNullable<Json>
          version: string | null
          version_number: number | null
        }
        SetofOptions: {
          from: "*"
          to: "agent_versions"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      publisher: {
        Args: {
          listing: Database["public"]["Tables"]["marketplace_listings"]["Row"]
        }
        Returns: Database["public"]["CompositeTypes"]["listing_publisher"]
        SetofOptions: {
          from: "marketplace_listings"
          to: "listing_publisher"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      record_agent_event: {
        Args: { agent_id: string; event_type: string; metadata?: Json }
        Returns: undefined
      }
      redeliver: {
        Args: { delivery_id: string }
        Returns: {
          attempt_number: number
          created_at: string
          delivered_at: string | null
          event_type: string
          id: string
          next_retry_at: string | null
          organization_id: string
          payload: NonNullable<Json>
          response_body: string | null
          response_status_code: number | null
          status: string
          webhook_id: string
        }
        SetofOptions: {
          from: "*"
          to: "webhook_deliveries"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      reinstate_listing: {
        Args: { listing_id: string }
        Returns: {
          agent_id: string
          average_rating: number | null
          category: string | null
          created_at: string
          demo_video_url: string | null
          featured_at: string | null
          icon_url: string | null
          id: string
          industry_id: string | null
          install_sort: number
          is_featured: boolean
          is_live: boolean
          is_verified: boolean
          live_revision_id: string | null
          long_description: string | null
          organization_id: string
          parameters: NonNullable<Json>
          price_usd: number | null
          pricing_model: Database["public"]["Enums"]["pricing_model"]
          published_at: string | null
          rating_sort: number
          review_notes: string | null
          screenshots: string[]
          search: unknown
          short_description: string | null
          status: string
          suspended_from: string | null
          tags: string[]
          title: string | null
          trending_score: number
          updated_at: string
          use_case: string | null
        }
        SetofOptions: {
          from: "*"
          to: "marketplace_listings"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      reply_to_review: {
        Args: { reply: string; review_id: string }
        Returns: {
          agent_id: string
          author_replied_at: string | null
          author_reply: string | null
          body: string
          created_at: string
          id: string
          is_hidden: boolean
          is_verified_install: boolean
          organization_id: string | null
          rating: number
          title: string
          updated_at: string
          user_id: string
        }
        SetofOptions: {
          from: "*"
          to: "agent_reviews"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      resend_invitation: {
        Args: { invitation_id: string }
        Returns: {
          id: string
          token: string
        }[]
      }
      restore_agent: {
        Args: { agent_id: string }
        Returns: {
          agent_type: Database["public"]["Enums"]["agent_type"]
          avatar_url: string | null
          category: string | null
          configuration: NonNullable<Json>
          created_at: string
          created_by_id: string
          current_version_id: string | null
          deleted_at: string | null
          description: string
          external_key: string | null
          forked_from_agent_id: string | null
          forked_from_version_id: string | null
          icon: string | null
          id: string
          is_active: boolean
          is_custom: boolean
          max_tokens: number | null
          memory_enabled: boolean
          memory_type: Database["public"]["Enums"]["agent_memory_type"]
          model: string
          name: string
          organization_id: string
          published_at: string | null
          settings_id: string | null
          slug: string
          status: string
          system_prompt: string
          temperature: number | null
          updated_at: string
          user_prompt_template: string | null
          visibility: Database["public"]["Enums"]["agent_visibility"]
        }
        SetofOptions: {
          from: "*"
          to: "agents"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      restore_agent_version: {
        Args: { agent_version_id: string }
        Returns: {
          agent_type: Database["public"]["Enums"]["agent_type"]
          avatar_url: string | null
          category: string | null
          configuration: NonNullable<Json>
          created_at: string
          created_by_id: string
          current_version_id: string | null
          deleted_at: string | null
          description: string
          external_key: string | null
          forked_from_agent_id: string | null
          forked_from_version_id: string | null
          icon: string | null
          id: string
          is_active: boolean
          is_custom: boolean
          max_tokens: number | null
          memory_enabled: boolean
          memory_type: Database["public"]["Enums"]["agent_memory_type"]
          model: string
          name: string
          organization_id: string
          published_at: string | null
          settings_id: string | null
          slug: string
          status: string
          system_prompt: string
          temperature: number | null
          updated_at: string
          user_prompt_template: string | null
          visibility: Database["public"]["Enums"]["agent_visibility"]
        }
        SetofOptions: {
          from: "*"
          to: "agents"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      restore_organization: {
        Args: { organization_id: string }
        Returns: {
          created_at: string
          deleted_at: string | null
          id: string
          is_personal: boolean
          logo_url: string | null
          max_agents: number
          max_executions_per_month: number
          max_team_members: number
          monthly_budget_usd: number | null
          name: string
          plan: string
          settings: NonNullable<Json>
          slug: string
          updated_at: string
        }
        SetofOptions: {
          from: "*"
          to: "organizations"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      restore_team: {
        Args: { team_id: string }
        Returns: {
          created_at: string
          created_by_id: string
          deleted_at: string | null
          description: string
          id: string
          leader_model: string
          leader_prompt: string
          name: string
          organization_id: string
          slug: string
          type: Database["public"]["Enums"]["team_type"]
          updated_at: string
        }
        SetofOptions: {
          from: "*"
          to: "teams"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      restore_workflow: {
        Args: { workflow_id: string }
        Returns: {
          created_at: string
          created_by_id: string
          definition: NonNullable<Json>
          deleted_at: string | null
          description: string
          id: string
          is_active: boolean
          name: string
          organization_id: string
          slug: string
          updated_at: string
          version: number
        }
        SetofOptions: {
          from: "*"
          to: "workflows"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      retry_execution: {
        Args: { execution_id: string }
        Returns: {
          agent_id: string | null
          agent_version_id: string | null
          attempt: number
          completed_at: string | null
          completion_tokens: number
          conversation_id: string | null
          cost_usd: number | null
          created_at: string
          credited_agent_id: string | null
          error_code: string | null
          error_message: string | null
          id: string
          input: NonNullable<Json>
          latency_ms: number | null
          max_attempts: number
          organization_id: string
          output: Json | null
          parent_execution_id: string | null
          prompt_tokens: number
          reserved_usd: number
          resource_usage: Json | null
          retry_of_id: string | null
          session_id: string | null
          started_at: string | null
          status: string
          target_id: string
          target_type: string
          team_id: string | null
          timeout_seconds: number
          total_tokens: number
          trace_id: string
          trigger_source: string
          updated_at: string
          user_id: string
          workflow_id: string | null
          workflow_version_id: string | null
        }
        SetofOptions: {
          from: "*"
          to: "executions"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      review_listing: {
        Args: { approve: boolean; notes?: string; revision_id: string }
        Returns: {
          agent_id: string
          agent_version_id: string | null
          category: string | null
          created_at: string
          demo_video_url: string | null
          icon_url: string | null
          id: string
          industry_id: string | null
          listing_id: string
          long_description: string
          organization_id: string
          price_usd: number | null
          pricing_model: Database["public"]["Enums"]["pricing_model"]
          review_notes: string | null
          reviewed_at: string | null
          reviewed_by_id: string | null
          screenshots: string[]
          short_description: string
          status: string
          submitted_at: string | null
          submitted_by_id: string | null
          title: string
          updated_at: string
          use_case: string
        }
        SetofOptions: {
          from: "*"
          to: "listing_revisions"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      revoke_api_key: { Args: { api_key_id: string }; Returns: undefined }
      revoke_invitation: { Args: { invitation_id: string }; Returns: undefined }
      revoke_session: { Args: { session_id: string }; Returns: undefined }
      rotate_webhook_secret: {
        Args: { webhook_id: string }
        Returns: {
          id: string
          secret: string
        }[]
      }
      run_agent: {
        Args: {
          agent_id: string
          draft?: boolean
          idempotency_key?: string
          input?: Json
          session_id?: string
          version_id?: string
        }
        Returns: {
          agent_id: string | null
          agent_version_id: string | null
          attempt: number
          completed_at: string | null
          completion_tokens: number
          conversation_id: string | null
          cost_usd: number | null
          created_at: string
          credited_agent_id: string | null
          error_code: string | null
          error_message: string | null
          id: string
          input: NonNullable<Json>
          latency_ms: number | null
          max_attempts: number
          organization_id: string
          output: Json | null
          parent_execution_id: string | null
          prompt_tokens: number
          reserved_usd: number
          resource_usage: Json | null
          retry_of_id: string | null
          session_id: string | null
          started_at: string | null
          status: string
          target_id: string
          target_type: string
          team_id: string | null
          timeout_seconds: number
          total_tokens: number
          trace_id: string
          trigger_source: string
          updated_at: string
          user_id: string
          workflow_id: string | null
          workflow_version_id: string | null
        }
        SetofOptions: {
          from: "*"
          to: "executions"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      run_eval_suite: {
        Args: { agent_version_id?: string; suite_id: string }
        Returns: {
          agent_id: string
          agent_version_id: string
          average_score: number | null
          completed_at: string | null
          created_at: string
          failed_tests: number
          id: string
          is_passed: boolean
          minimum_pass_rate: number
          organization_id: string
          passed_tests: number
          started_at: string | null
          status: string
          suite_digest: string
          suite_id: string
          total_tests: number
          updated_at: string
          user_id: string
        }
        SetofOptions: {
          from: "*"
          to: "eval_runs"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      run_team: {
        Args: { idempotency_key?: string; input?: Json; team_id: string }
        Returns: {
          agent_id: string | null
          agent_version_id: string | null
          attempt: number
          completed_at: string | null
          completion_tokens: number
          conversation_id: string | null
          cost_usd: number | null
          created_at: string
          credited_agent_id: string | null
          error_code: string | null
          error_message: string | null
          id: string
          input: NonNullable<Json>
          latency_ms: number | null
          max_attempts: number
          organization_id: string
          output: Json | null
          parent_execution_id: string | null
          prompt_tokens: number
          reserved_usd: number
          resource_usage: Json | null
          retry_of_id: string | null
          session_id: string | null
          started_at: string | null
          status: string
          target_id: string
          target_type: string
          team_id: string | null
          timeout_seconds: number
          total_tokens: number
          trace_id: string
          trigger_source: string
          updated_at: string
          user_id: string
          workflow_id: string | null
          workflow_version_id: string | null
        }
        SetofOptions: {
          from: "*"
          to: "executions"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      run_workflow: {
        Args: { idempotency_key?: string; input?: Json; workflow_id: string }
        Returns: {
          agent_id: string | null
          agent_version_id: string | null
          attempt: number
          completed_at: string | null
          completion_tokens: number
          conversation_id: string | null
          cost_usd: number | null
          created_at: string
          credited_agent_id: string | null
          error_code: string | null
          error_message: string | null
          id: string
          input: NonNullable<Json>
          latency_ms: number | null
          max_attempts: number
          organization_id: string
          output: Json | null
          parent_execution_id: string | null
          prompt_tokens: number
          reserved_usd: number
          resource_usage: Json | null
          retry_of_id: string | null
          session_id: string | null
          started_at: string | null
          status: string
          target_id: string
          target_type: string
          team_id: string | null
          timeout_seconds: number
          total_tokens: number
          trace_id: string
          trigger_source: string
          updated_at: string
          user_id: string
          workflow_id: string | null
          workflow_version_id: string | null
        }
        SetofOptions: {
          from: "*"
          to: "executions"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      runtime_status: {
        Args: { agent: Database["public"]["Tables"]["agents"]["Row"] }
        Returns: string
      }
      search_listings: {
        Args: {
          after?: string
          category?: string
          industry_id?: string
          max_price?: number
          min_rating?: number
          page_size?: number
          pricing?: string[]
          query?: string
          sort?: string
          tags?: string[]
          verified?: boolean
        }
        Returns: Database["public"]["CompositeTypes"]["listing_result"][]
        SetofOptions: {
          from: "*"
          to: "listing_result"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      send_message: {
        Args: {
          attachments?: Json
          content: string
          conversation_id: string
          strategy?: string
        }
        Returns: {
          attachments: NonNullable<Json>
          content: string
          conversation_id: string
          created_at: string
          execution_id: string | null
          feedback: Database["public"]["Enums"]["message_feedback"] | null
          feedback_note: string | null
          id: string
          sender_type: Database["public"]["Enums"]["message_sender"]
          sequence_number: number
          updated_at: string
        }
        SetofOptions: {
          from: "*"
          to: "messages"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      set_token: {
        Args: { key: string; organization_id?: string; value: string }
        Returns: {
          created_at: string
          id: string
          key: string
          organization_id: string | null
          updated_at: string
          user_id: string | null
        }
        SetofOptions: {
          from: "*"
          to: "tokens"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      stats:
        | {
            Args: { agent: Database["public"]["Tables"]["agents"]["Row"] }
            Returns: {
              agent_id: string | null
              avg_rating: number | null
              favorite_count: number | null
              fork_count: number | null
              install_count: number | null
              rating_count: number | null
              share_count: number | null
              total_uses: number | null
              view_count: number | null
            }
            SetofOptions: {
              from: "agents"
              to: "agent_stats"
              isOneToOne: true
              isSetofReturn: true
            }
          }
        | {
            Args: {
              listing: Database["public"]["Tables"]["marketplace_listings"]["Row"]
            }
            Returns: {
              agent_id: string | null
              avg_rating: number | null
              favorite_count: number | null
              fork_count: number | null
              install_count: number | null
              rating_count: number | null
              share_count: number | null
              total_uses: number | null
              view_count: number | null
            }
            SetofOptions: {
              from: "marketplace_listings"
              to: "agent_stats"
              isOneToOne: true
              isSetofReturn: true
            }
          }
      submit_listing: {
        Args: { listing_id: string }
        Returns: {
          agent_id: string
          agent_version_id: string | null
          category: string | null
          created_at: string
          demo_video_url: string | null
          icon_url: string | null
          id: string
          industry_id: string | null
          listing_id: string
          long_description: string
          organization_id: string
          price_usd: number | null
          pricing_model: Database["public"]["Enums"]["pricing_model"]
          review_notes: string | null
          reviewed_at: string | null
          reviewed_by_id: string | null
          screenshots: string[]
          short_description: string
          status: string
          submitted_at: string | null
          submitted_by_id: string | null
          title: string
          updated_at: string
          use_case: string
        }
        SetofOptions: {
          from: "*"
          to: "listing_revisions"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      suspend_listing: {
        Args: { listing_id: string; notes: string }
        Returns: {
          agent_id: string
          average_rating: number | null
          category: string | null
          created_at: string
          demo_video_url: string | null
          featured_at: string | null
          icon_url: string | null
          id: string
          industry_id: string | null
          install_sort: number
          is_featured: boolean
          is_live: boolean
          is_verified: boolean
          live_revision_id: string | null
          long_description: string | null
          organization_id: string
          parameters: NonNullable<Json>
          price_usd: number | null
          pricing_model: Database["public"]["Enums"]["pricing_model"]
          published_at: string | null
          rating_sort: number
          review_notes: string | null
          screenshots: string[]
          search: unknown
          short_description: string | null
          status: string
          suspended_from: string | null
          tags: string[]
          title: string | null
          trending_score: number
          updated_at: string
          use_case: string | null
        }
        SetofOptions: {
          from: "*"
          to: "marketplace_listings"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      team: {
        Args: { execution: Database["public"]["Tables"]["executions"]["Row"] }
        Returns: {
          created_at: string
          created_by_id: string
          deleted_at: string | null
          description: string
          id: string
          leader_model: string
          leader_prompt: string
          name: string
          organization_id: string
          slug: string
          type: Database["public"]["Enums"]["team_type"]
          updated_at: string
        }
        SetofOptions: {
          from: "executions"
          to: "teams"
          isOneToOne: true
          isSetofReturn: true
        }
      }
      tool_calls: {
        Args: { execution: Database["public"]["Tables"]["executions"]["Row"] }
        Returns: Json
      }
      transfer_ownership: {
        Args: { organization_id: string; user_id: string }
        Returns: undefined
      }
      uninstall_listing: {
        Args: { install_id: string }
        Returns: {
          agent_version_id: string | null
          cloned_agent_id: string | null
          id: string
          installed_at: string
          installed_by_id: string | null
          is_counted: boolean
          listing_id: string | null
          organization_id: string
          uninstalled_at: string | null
          updated_at: string
        }
        SetofOptions: {
          from: "*"
          to: "marketplace_installs"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      update_install: {
        Args: { install_id: string }
        Returns: {
          agent_version_id: string | null
          cloned_agent_id: string | null
          id: string
          installed_at: string
          installed_by_id: string | null
          is_counted: boolean
          listing_id: string | null
          organization_id: string
          uninstalled_at: string | null
          updated_at: string
        }
        SetofOptions: {
          from: "*"
          to: "marketplace_installs"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      verify_audit_log: {
        Args: { organization_id: string }
        Returns: {
          audit_log_id: string
          problem: string
          seq: number
        }[]
      }
      withdraw_listing: {
        Args: { listing_id: string }
        Returns: {
          agent_id: string
          agent_version_id: string | null
          category: string | null
          created_at: string
          demo_video_url: string | null
          icon_url: string | null
          id: string
          industry_id: string | null
          listing_id: string
          long_description: string
          organization_id: string
          price_usd: number | null
          pricing_model: Database["public"]["Enums"]["pricing_model"]
          review_notes: string | null
          reviewed_at: string | null
          reviewed_by_id: string | null
          screenshots: string[]
          short_description: string
          status: string
          submitted_at: string | null
          submitted_by_id: string | null
          title: string
          updated_at: string
          use_case: string
        }
        SetofOptions: {
          from: "*"
          to: "listing_revisions"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      workflow: {
        Args: { execution: Database["public"]["Tables"]["executions"]["Row"] }
        Returns: {
          created_at: string
          created_by_id: string
          definition: NonNullable<Json>
          deleted_at: string | null
          description: string
          id: string
          is_active: boolean
          name: string
          organization_id: string
          slug: string
          updated_at: string
          version: number
        }
        SetofOptions: {
          from: "executions"
          to: "workflows"
          isOneToOne: true
          isSetofReturn: true
        }
      }
    }
    Enums: {
      agent_memory_type: "conversation" | "long_term" | "hybrid"
      agent_permission: "use" | "edit"
      agent_type: "automation" | "assistive"
      agent_visibility: "private" | "organization" | "public"
      mcp_transport: "stdio" | "http"
      message_feedback: "good" | "bad"
      message_sender: "user" | "agent"
      org_role: "viewer" | "member" | "admin" | "owner"
      parameter_type:
        | "string"
        | "text"
        | "number"
        | "boolean"
        | "select"
        | "multiselect"
        | "date"
        | "json"
      pricing_model: "free" | "one_time" | "subscription" | "usage_based"
      schedule_frequency:
        | "once"
        | "minutes"
        | "hourly"
        | "daily"
        | "weekly"
        | "monthly"
      schedule_overlap: "skip" | "allow"
      team_type: "route" | "coordinate" | "collaborate"
      tool_type:
        | "function"
        | "api"
        | "integration"
        | "mcp"
        | "database"
        | "file"
        | "agent"
        | "custom"
    }
    CompositeTypes: {
      listing_publisher: {
        id: string | null
        name: string | null
        slug: string | null
        logo_url: string | null
      }
      listing_result: {
        listing_id: string | null
        agent_id: string | null
        title: string | null
        short_description: string | null
        snippet: string | null
        category: string | null
        industry_id: string | null
        tags: string[] | null
        icon_url: string | null
        organization_slug: string | null
        organization_name: string | null
        pricing_model: Database["public"]["Enums"]["pricing_model"] | null
        price_usd: number | null
        avg_rating: number | null
        rating_count: number | null
        install_count: number | null
        total_uses: number | null
        published_at: string | null
        relevance: number | null
        cursor: string | null
      }
    }
  }
}

type DatabaseWithoutInternals = Omit<Database, "__InternalSupabase">

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, "public">]

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    | keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
        DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
      DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])[TableName] extends {
      Row: infer R
    }
    ? R
    : never
  : DefaultSchemaTableNameOrOptions extends keyof (DefaultSchema["Tables"] &
        DefaultSchema["Views"])
    ? (DefaultSchema["Tables"] &
        DefaultSchema["Views"])[DefaultSchemaTableNameOrOptions] extends {
        Row: infer R
      }
      ? R
      : never
    : never

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Insert: infer I
    }
    ? I
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
        Insert: infer I
      }
      ? I
      : never
    : never

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Update: infer U
    }
    ? U
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
        Update: infer U
      }
      ? U
      : never
    : never

export type Enums<
  DefaultSchemaEnumNameOrOptions extends
    | keyof DefaultSchema["Enums"]
    | { schema: keyof DatabaseWithoutInternals },
  EnumName extends (DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"]
    : never) = never,
> = DefaultSchemaEnumNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"][EnumName]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema["Enums"]
    ? DefaultSchema["Enums"][DefaultSchemaEnumNameOrOptions]
    : never

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    | keyof DefaultSchema["CompositeTypes"]
    | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends (PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"]
    : never) = never,
> = PublicCompositeTypeNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"][CompositeTypeName]
  : PublicCompositeTypeNameOrOptions extends keyof DefaultSchema["CompositeTypes"]
    ? DefaultSchema["CompositeTypes"][PublicCompositeTypeNameOrOptions]
    : never

export const Constants = {
  public: {
    Enums: {
      agent_memory_type: ["conversation", "long_term", "hybrid"],
      agent_permission: ["use", "edit"],
      agent_type: ["automation", "assistive"],
      agent_visibility: ["private", "organization", "public"],
      mcp_transport: ["stdio", "http"],
      message_feedback: ["good", "bad"],
      message_sender: ["user", "agent"],
      org_role: ["viewer", "member", "admin", "owner"],
      parameter_type: [
        "string",
        "text",
        "number",
        "boolean",
        "select",
        "multiselect",
        "date",
        "json",
      ],
      pricing_model: ["free", "one_time", "subscription", "usage_based"],
      schedule_frequency: [
        "once",
        "minutes",
        "hourly",
        "daily",
        "weekly",
        "monthly",
      ],
      schedule_overlap: ["skip", "allow"],
      team_type: ["route", "coordinate", "collaborate"],
      tool_type: [
        "function",
        "api",
        "integration",
        "mcp",
        "database",
        "file",
        "agent",
        "custom",
      ],
    },
  },
} as const
